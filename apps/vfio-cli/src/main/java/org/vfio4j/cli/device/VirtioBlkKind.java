package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.NullBackend;
import org.vfio4j.block.TrackedBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.sys.Cpus;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.virtioblk.VirtioBlk;

/** A disk. */
public final class VirtioBlkKind implements DeviceKind {

    private static final String NAME = "virtio-blk";
    private static final String EXAMPLE = "vfio serve virtio-blk memory=512M --socket-path /tmp/disk.sock";
    private static final List<String> KEYS = List.of(
            "file",
            "memory",
            "null",
            "readonly",
            "serial",
            "queues",
            "queue-size",
            "threads",
            "cpus",
            "poll",
            "io",
            "direct",
            "pin",
            "incoming",
            "iops",
            "bandwidth",
            "slow");

    private final Storage opener;

    public VirtioBlkKind() {
        this(Storage.ANEW);
    }

    VirtioBlkKind(Storage opener) {
        this.opener = opener;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<String> help() {
        return List.of(
                "file=PATH        an image or a block device, as it is,",
                "memory=SIZE      or memory of this process, lost at its end,",
                "null=SIZE        or nothing: to measure the rest;",
                "readonly         refuse writes",
                "serial=TEXT      up to 20 characters",
                "queues=N         1 to 256 (default 1)",
                "queue-size=N     a power of two, 4 to 1024 (default 256)",
                "threads=N        threads that share the queues, up to as many (default 1)",
                "cpus=LIST        where these run, as 2-3 (default anywhere)",
                "poll=WHEN        adaptive, always, off or MICROSECONDS (default adaptive)",
                "io=HOW           auto, uring or sync, for files (default auto)",
                "direct           past the page cache, for files",
                "pin              the guest's memory, for files: shorter requests, for",
                "                 guests that give no memory back",
                "incoming         for files: another server has it still, whose",
                "                 guest will come; claimed at its first use",
                "iops=N           requests in a second (default no limit)",
                "bandwidth=SIZE   bytes in a second (default no limit)",
                "slow=TIME        a request that takes longer is slow, or off",
                "                 (default 10ms)");
    }

    @Override
    public DevicePlan plan(List<Setting> settings) {
        Disk disk = new Disk(opener);
        settings.forEach(disk::set);
        if (disk.storage.isEmpty()) {
            throw CliException.usage(
                    "virtio-blk without storage: one of file=PATH, memory=SIZE, null=SIZE is needed", EXAMPLE);
        }
        if (disk.threads > disk.queues) {
            throw CliException.usage(
                    "threads=" + disk.threads + ": more than its " + disk.queues + " queues",
                    "queues=" + disk.threads + ",threads=" + disk.threads);
        }
        disk.files.check(disk.file.isPresent());
        return disk;
    }

    /** The settings of one disk, checked one by one as they come. */
    private static final class Disk implements DevicePlan {

        private final Storage opener;
        private final FileSettings files = new FileSettings();
        private Optional<String> storage = Optional.empty();
        private Optional<Path> file = Optional.empty();
        private long sizeBytes;
        private String serial = "";
        private int queues = 1;
        private int queueSize = 256;
        private QueuePolling polling = QueuePolling.ADAPTIVE;
        private long slowNs = DeviceRecorder.DEFAULT_SLOW_NS;
        private int threads = 1;
        private Cpus cpus = Cpus.ANY;
        private int iops;
        private long bandwidth;

        Disk(Storage opener) {
            this.opener = opener;
        }

        @Override
        public Optional<SnapFunction.Protocol> snapProtocol() {
            return Optional.of(SnapFunction.Protocol.VIRTIO_BLK);
        }

        @Override
        public boolean virtualizes() {
            return true;
        }

        @Override
        public EmulatedDevice open(PciAddress address) {
            return open(address, SriovRole.NONE);
        }

        @Override
        public EmulatedDevice open(PciAddress address, SriovRole role) {
            BlockBackend backend = openStorage(address);
            try {
                VirtioBlk disk = build(backend, NAME + "-" + address, role);
                return new EmulatedDevice(
                        NAME,
                        () -> describe(backend, disk),
                        disk.function(),
                        List.of(disk, backend),
                        new DiskTuning(disk));
            } catch (RuntimeException e) {
                backend.close();
                throw e;
            }
        }

        private VirtioBlk build(BlockBackend backend, String name, SriovRole role) {
            VirtioBlk.Builder builder = VirtioBlk.builder(backend)
                    .name(name)
                    .serial(serial)
                    .queues(queues)
                    .queueSize(queueSize)
                    .threads(threads)
                    .cpus(cpus)
                    .limits(iops, bandwidth)
                    .poll(polling)
                    .slowNs(slowNs)
                    .sriov(role);
            return (files.readOnly() ? builder.readOnly() : builder).build();
        }

        private BlockBackend openStorage(PciAddress address) {
            try {
                return switch (storage.orElseThrow()) {
                    case "file" -> new TrackedBackend(files.open(opener, file.orElseThrow()));
                    case "memory" -> new TrackedBackend(opener.memory(address, 0, sizeBytes));
                    default -> new NullBackend(sizeBytes);
                };
            } catch (ErrnoException e) {
                throw new CliException(e, storageHint(e.errno()));
            }
        }

        private static String describe(BlockBackend backend, VirtioBlk disk) {
            DeviceLimits limits = disk.limits();
            long requests = limits.requestsPerSecond();
            long bytes = limits.bytesPerSecond();
            return Sizes.format(backend.sizeBytes())
                    + ", "
                    + backend.describe()
                    + (backend.readOnly() ? ", read-only" : "")
                    + (requests == 0 ? "" : ", " + requests + " requests/s")
                    + (bytes == 0 ? "" : ", " + Sizes.format(bytes) + "/s");
        }

        private String storageHint(int errno) {
            if (file.isEmpty()) {
                return errno == Errno.ENOMEM ? "a smaller size, or file=PATH" : storage.orElse("") + "=512M";
            }
            Path path = file.get();
            return files.hint(errno, path).orElseGet(() -> switch (errno) {
                case Errno.EACCES, Errno.EPERM, Errno.EROFS ->
                    files.readOnly() ? "ls -l " + path : "file=" + path + " readonly, or: ls -l " + path;
                case Errno.ENOMEM -> "a smaller size, or file=PATH";
                default -> "ls -l " + path;
            });
        }

        private void set(Setting setting) {
            String key = setting.key();
            if (!FileSettings.SWITCHES.contains(key) && KEYS.contains(key)) {
                setting.needValue(EXAMPLE);
            }
            if (files.take(setting)) {
                return;
            }
            switch (key) {
                case "file" -> {
                    store(key);
                    file = Optional.of(Path.of(setting.value()));
                }
                case "memory", "null" -> {
                    store(key);
                    sizeBytes = Sizes.parse(key, setting.value());
                }
                case "serial" -> serial = checkedSerial(setting);
                case "queues" -> queues = setting.number(1, VirtioBlk.MAX_QUEUES);
                case "queue-size" -> queueSize = powerOfTwo(setting);
                case "poll" -> polling = setting.polling();
                case "slow" -> slowNs = setting.isOff() ? Long.MAX_VALUE : setting.durationNs();
                case "threads" -> threads = setting.number(1, VirtioBlk.MAX_QUEUES);
                case "cpus" -> cpus = setting.cpus();
                case "iops" -> iops = setting.number(0, Integer.MAX_VALUE);
                case "bandwidth" -> bandwidth = Sizes.parse(key, setting.value());
                default -> throw setting.unknown(NAME, KEYS);
            }
        }

        private void store(String kind) {
            if (storage.isPresent()) {
                throw CliException.usage(
                        kind + " beside " + storage.get() + ": a disk has one storage", "a second device, behind a +");
            }
            storage = Optional.of(kind);
        }

        private static String checkedSerial(Setting setting) {
            String value = setting.value();
            if (value.length() > 20 || !value.chars().allMatch(c -> c > 0x20 && c < 0x7f)) {
                throw CliException.usage(setting + ": the limit is 20 printable ASCII characters", "serial=DISK-0001");
            }
            return value;
        }

        private static int powerOfTwo(Setting setting) {
            int number = setting.number(4, VirtioBlk.MAX_QUEUE_SIZE);
            if (Integer.bitCount(number) != 1) {
                throw CliException.usage(setting + ": expected a power of two", setting.key() + "=256");
            }
            return number;
        }
    }
}
