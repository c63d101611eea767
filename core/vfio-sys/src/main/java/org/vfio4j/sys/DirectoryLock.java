package org.vfio4j.sys;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * flock(2) of a directory: who removes a socket's file from it has the lock, so that what it has found there is there still. It is held for
 * a few system calls. Whoever may read the directory can hold it as well, for ever: so nobody waits for long.
 */
final class DirectoryLock {

    static final Duration PATIENCE = Duration.ofSeconds(2);

    private static final long PAUSE_NS = 1_000_000;

    private DirectoryLock() {}

    /**
     * Locks the directory that a path is in, until what it returns is closed.
     *
     * @throws ErrnoException ETIMEDOUT when another has it for {@link #PATIENCE}; EACCES for a directory that cannot be read; what flock says
     */
    static Fd ofParent(Path path) {
        Path parent = parent(path);
        Fd directory = open(parent, path);
        try {
            lock(directory, "flock " + parent + " for " + path);
            return directory;
        } catch (ErrnoException e) {
            directory.close();
            throw e;
        }
    }

    static Path parent(Path path) {
        Path parent = path.getParent();
        return parent == null ? Path.of(".") : parent;
    }

    private static Fd open(Path directory, Path path) {
        try {
            return FileIo.open(directory, FileIo.O_RDONLY);
        } catch (ErrnoException e) {
            throw new ErrnoException(e.errno(), "open " + directory + ", to lock it for " + path);
        }
    }

    private static void lock(Fd directory, String what) {
        long start = System.nanoTime();
        int result = FileIo.flock(directory, FileIo.LOCK_EX | FileIo.LOCK_NB);
        while (result == -EAGAIN) {
            if (System.nanoTime() - start > PATIENCE.toNanos()) {
                throw new ErrnoException(ETIMEDOUT, what + ", which another process has held for " + PATIENCE);
            }
            LockSupport.parkNanos(PAUSE_NS);
            result = FileIo.flock(directory, FileIo.LOCK_EX | FileIo.LOCK_NB);
        }
        ErrnoException.check(result, what);
    }
}
