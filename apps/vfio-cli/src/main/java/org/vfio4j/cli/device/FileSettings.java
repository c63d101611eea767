package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.sys.Errno;

/** How a disk has its files: the settings about that, checked one by one as they come. Belongs to a {@link DevicePlan}. */
final class FileSettings {

    /** Those that need no value. */
    static final List<String> SWITCHES = List.of("readonly", "direct", "pin", "incoming");

    private boolean readOnly;
    private FileIoMode io = FileIoMode.AUTO;
    private FileCaching caching = FileCaching.PAGE_CACHE;
    private boolean pin;
    private boolean incoming;

    /** Takes a setting, if it is about files: whether it is. */
    boolean take(Setting setting) {
        switch (setting.key()) {
            case "readonly" -> readOnly = setting.isOn();
            case "io" -> io = setting.ioMode();
            case "direct" -> caching = setting.isOn() ? FileCaching.DIRECT : FileCaching.PAGE_CACHE;
            case "pin" -> pin = setting.isOn();
            case "incoming" -> incoming = setting.isOn();
            default -> {
                return false;
            }
        }
        return true;
    }

    /**
     * Looks at all of them together.
     *
     * @param files whether the disk has a file
     * @throws CliException for those that do not go together
     */
    void check(boolean files) {
        if (caching == FileCaching.DIRECT && !files) {
            throw CliException.usage("direct without a file", "file=disk.img,direct");
        }
        if (io == FileIoMode.IOPOLL && caching != FileCaching.DIRECT) {
            throw CliException.usage("io=iopoll without direct", "file=disk.img,direct,io=iopoll");
        }
        if (pin && !files) {
            throw CliException.usage("pin without a file", "file=disk.img,pin");
        }
        if (pin && io == FileIoMode.SYNC) {
            throw CliException.usage("pin with io=sync: only io_uring pins memory", "file=disk.img,pin,io=uring");
        }
        if (incoming && !files) {
            throw CliException.usage("incoming without a file", "file=disk.img,incoming");
        }
    }

    boolean readOnly() {
        return readOnly;
    }

    /** @throws org.vfio4j.sys.ErrnoException as {@link Storage#file}: see {@link #hint} */
    FileBackend open(Storage opener, Path path) {
        FileBackend opened = incoming
                ? FileBackend.openUnclaimed(path, readOnly, io, caching)
                : opener.file(path, readOnly, io, caching);
        if (pin) {
            opened.pinMemory();
        }
        return opened;
    }

    /** What to try when a file cannot be opened; empty for what only the disk's kind knows. */
    Optional<String> hint(int errno, Path path) {
        return switch (errno) {
            case Errno.ENOENT -> Optional.of("truncate -s 1G " + path);
            case Errno.EBUSY -> Optional.of("vfio ls, to see which server has it; readonly on both to share it");
            case Errno.EISDIR -> Optional.of("file=" + path + "/disk.img");
            case Errno.EINVAL ->
                Optional.of((caching == FileCaching.DIRECT ? "without direct; or: " : "") + "truncate -s %512 " + path
                        + ", which appends zeroes");
            case Errno.ENOSYS -> Optional.of("io=sync");
            case Errno.EOPNOTSUPP -> Optional.of("io=uring");
            default -> Optional.empty();
        };
    }
}
