package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.EINTR;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;

/**
 * Whether writes are lost that were complete. What the kernel cannot write back from the page cache it drops, and fdatasync(2) says so once;
 * the next one succeeds. A driver that tries a flush again, as Linux's for NVMe does, or another one with writes of its own, must not take
 * that for an answer: after a flush that failed none succeeds until the file is opened anew. Any thread.
 */
final class LostWrites {

    private static final Logger LOG = System.getLogger(LostWrites.class.getName());

    private final Path path;
    private volatile boolean cached;
    private volatile int error;

    LostWrites(Path path) {
        this.path = path;
    }

    /** Something is written into the page cache. Before that there is nothing to lose. */
    void cached() {
        if (!cached) {
            cached = true;
        }
    }

    /** What every flush is answered with from now on, a negative errno; 0 while all is well. */
    int error() {
        return error;
    }

    /** A flush has ended with this. Returns what it is answered with. */
    int flushed(int result) {
        boolean fails = result < 0 && result != -ECANCELED && result != -EINTR && result != -EAGAIN;
        if (fails && cached && error == 0) {
            error = result;
            LOG.log(
                    Level.ERROR,
                    "{0}: writes are lost, a flush failed with {1}; none succeeds until it is opened anew",
                    path,
                    result);
        }
        return result == 0 ? error : result;
    }
}
