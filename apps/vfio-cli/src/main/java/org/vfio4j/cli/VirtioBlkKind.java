package org.vfio4j.cli;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.NullBackend;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.virtioblk.VirtioBlk;

/** The {@code key=value} words of a virtio-blk device, checked one by one as they come. */
final class DiskSettings {

    static final List<String> KEYS =
            List.of("file", "memory", "null", "readonly", "serial", "queues", "queue-size", "poll", "io");

    private static final String EXAMPLE = "vfio serve virtio-blk memory=512M --socket-path /tmp/disk.sock";

    private Optional<String> storage = Optional.empty();
    private Optional<Path> file = Optional.empty();
    private long sizeBytes;
    private boolean readOnly;
    private String serial = "";
    private int queues = 1;
    private int queueSize = 256;
    private QueuePolling polling = QueuePolling.ADAPTIVE;
    private FileIoMode io = FileIoMode.AUTO;

    private DiskSettings() {}

    /** @param words each {@code key=value} or several of them with commas between; ",," stands for a comma in a value */
    static DiskSettings parse(List<String> words) {
        DiskSettings settings = new DiskSettings();
        for (String word : words) {
            for (String setting : word.replace(",,", "\0").split(",")) {
                settings.set(setting.replace('\0', ','));
            }
        }
        if (settings.storage.isEmpty()) {
            throw CliException.usage(
                    "virtio-blk without storage: one of file=PATH, memory=SIZE, null=SIZE is needed", EXAMPLE);
        }
        return settings;
    }

    /** A disk in memory, for demonstrations. */
    static DiskSettings memory(long sizeBytes, int queues, String serial) {
        return parse(List.of("memory=" + sizeBytes, "queues=" + queues, "serial=" + serial));
    }

    /** A disk in a file, for demonstrations. */
    static DiskSettings file(Path path, String serial) {
        return parse(List.of("file=" + path.toString().replace(",", ",,"), "serial=" + serial));
    }

    /** Opens the storage. */
    BlockBackend openStorage() {
        try {
            return switch (storage.orElseThrow()) {
                case "file" -> FileBackend.open(file.orElseThrow(), readOnly, io);
                case "memory" -> new MemoryBackend(sizeBytes);
                default -> new NullBackend(sizeBytes);
            };
        } catch (ErrnoException e) {
            throw new CliException(e, storageHint(e.errno()));
        }
    }

    VirtioBlk.Builder builder(BlockBackend backend, String name) {
        VirtioBlk.Builder builder = VirtioBlk.builder(backend)
                .name(name)
                .serial(serial)
                .queues(queues)
                .queueSize(queueSize)
                .poll(polling);
        return readOnly ? builder.readOnly() : builder;
    }

    private String storageHint(int errno) {
        String path = file.map(Path::toString).orElse("");
        return switch (errno) {
            case Errno.ENOENT -> "truncate -s 1G " + path;
            case Errno.EACCES, Errno.EPERM, Errno.EROFS ->
                readOnly ? "ls -l " + path : "file=" + path + " readonly, or: ls -l " + path;
            case Errno.EBUSY -> "vfio ls, to see which server has it; readonly on both to share it";
            case Errno.EISDIR -> "file=" + path + "/disk.img";
            case Errno.EINVAL ->
                file.isPresent() ? "truncate -s %512 " + path + ", which appends zeroes" : storage.orElse("") + "=512M";
            case Errno.ENOMEM -> "a smaller size, or file=PATH";
            case Errno.ENOSYS -> "io=sync";
            default -> "ls -l " + path;
        };
    }

    private void set(String setting) {
        int equals = setting.indexOf('=');
        String key = equals < 0 ? setting : setting.substring(0, equals);
        String value = equals < 0 ? "" : setting.substring(equals + 1);
        if (value.isEmpty() && !key.equals("readonly") && KEYS.contains(key)) {
            throw CliException.usage(setting + ": " + key + " needs a value", EXAMPLE);
        }
        switch (key) {
            case "file" -> {
                store(key);
                file = Optional.of(Path.of(value));
            }
            case "memory", "null" -> {
                store(key);
                sizeBytes = Sizes.parse(key, value);
            }
            case "readonly" -> readOnly = isOn(key, value);
            case "serial" -> serial = checkedSerial(value);
            case "queues" -> queues = number(key, value, 1, VirtioBlk.MAX_QUEUES);
            case "queue-size" -> queueSize = powerOfTwo(key, value);
            case "poll" -> polling = polling(value);
            case "io" -> io = ioMode(value);
            default ->
                throw CliException.usage(
                        "virtio-blk has no setting '" + key + "'", nearest(key) + ", of " + String.join(", ", KEYS));
        }
    }

    private void store(String kind) {
        if (storage.isPresent()) {
            throw CliException.usage(
                    kind + " beside " + storage.get() + ": a disk has one storage", "a second device, behind a +");
        }
        storage = Optional.of(kind);
    }

    private static boolean isOn(String key, String value) {
        return switch (value) {
            case "", "on", "true" -> true;
            case "off", "false" -> false;
            default -> throw CliException.usage(key + "=" + value + ": expected on or off", key);
        };
    }

    private static String checkedSerial(String value) {
        if (value.length() > 20 || !value.chars().allMatch(c -> c > 0x20 && c < 0x7f)) {
            throw CliException.usage(
                    "serial=" + value + ": the limit is 20 printable ASCII characters", "serial=DISK-0001");
        }
        return value;
    }

    private static int number(String key, String value, int least, int most) {
        try {
            int number = Integer.parseInt(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // told below
        }
        throw CliException.usage(
                key + "=" + value + ": expected a number from " + least + " to " + most, key + "=" + least);
    }

    private static int powerOfTwo(String key, String value) {
        int number = number(key, value, 4, VirtioBlk.MAX_QUEUE_SIZE);
        if (Integer.bitCount(number) != 1) {
            throw CliException.usage(key + "=" + value + ": expected a power of two", key + "=256");
        }
        return number;
    }

    private static QueuePolling polling(String value) {
        return switch (value) {
            case "adaptive" -> QueuePolling.ADAPTIVE;
            case "always" -> QueuePolling.ALWAYS;
            case "off" -> QueuePolling.NEVER;
            default ->
                throw CliException.usage("poll=" + value + ": expected adaptive, always or off", "poll=adaptive");
        };
    }

    private static FileIoMode ioMode(String value) {
        return switch (value) {
            case "auto" -> FileIoMode.AUTO;
            case "uring" -> FileIoMode.URING;
            case "sync" -> FileIoMode.SYNC;
            default -> throw CliException.usage("io=" + value + ": expected auto, uring or sync", "io=auto");
        };
    }

    private static String nearest(String key) {
        return KEYS.stream()
                .min(Comparator.comparingInt(known -> distance(key, known)))
                .orElseThrow();
    }

    /** How many letters must change, come or go (Levenshtein). */
    private static int distance(String from, String to) {
        int[] row = new int[to.length() + 1];
        for (int j = 0; j <= to.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= from.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.length(); j++) {
                int change = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(change, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[to.length()];
    }
}
