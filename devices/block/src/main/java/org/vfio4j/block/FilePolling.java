package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.IoUring;
import org.vfio4j.sys.Mapping;

/**
 * Whether completions of a file's direct reads and writes can be found by polling its device. That takes O_DIRECT, a file system that
 * passes polls on (ext4, XFS and others), and a block device with queues for it, as virtio-blk's and NVMe's drivers make when they are told
 * to by poll_queues=N.
 */
final class FilePolling {

    /** A device that is busy may say so. */
    private static final int TRIES = 100;

    private FilePolling() {}

    /** @throws ErrnoException EINVAL without O_DIRECT, EOPNOTSUPP where nobody polls, or why the file cannot be read */
    static void check(FileTarget target, FileStat stat) {
        String what = "poll for completions of " + target.path;
        if (!target.isDirect()) {
            throw new ErrnoException(EINVAL, what + ", which takes direct access");
        }
        if (stat.isRegular()) {
            checkDevice(what, (int) (stat.dev() >>> Integer.SIZE), (int) stat.dev());
        }
        int result = read(target);
        if (result < 0) {
            throw new ErrnoException(-result, what + ", whose file system or device does not");
        }
    }

    /**
     * A device without queues for it may take polled requests all the same, and complete them by interrupts. Not every file system is on a
     * device that sysfs knows.
     */
    private static void checkDevice(String what, int major, int minor) {
        Path device = Path.of("/sys/dev/block/" + major + ":" + minor);
        // A partition's queue is that of the whole disk, in which it lies.
        for (Path file : List.of(device.resolve("queue/io_poll"), device.resolve("../queue/io_poll"))) {
            try {
                if (Files.readString(file).strip().equals("0")) {
                    throw new ErrnoException(
                            EOPNOTSUPP, what + ": its device has no queue for that, " + file + " is 0");
                }
                return;
            } catch (IOException e) {
                // Another place, or none: the read decides.
                continue;
            }
        }
    }

    /** Reads the beginning: what it answers. */
    private static int read(FileTarget target) {
        int bytes = target.directAlign();
        int[] answer = {-EAGAIN};
        try (Mapping memory = Mapping.anonymous(bytes);
                IoUring ring = IoUring.createPolled(1)) {
            for (int i = 0; i < TRIES && answer[0] == -EAGAIN; i++) {
                ring.prepRead(target.directOrFile().value(), memory.address(), bytes, 0, 0);
                ErrnoException.check(ring.submit(), "read " + target.path + " to try whether it is polled");
                while (ring.inFlight() != 0) {
                    ring.await();
                    ring.reap((tag, result) -> answer[0] = result);
                }
            }
        }
        return answer[0];
    }
}
