package org.vfio4j.fuse;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.ENOTDIR;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;

/** A file system of this process at a directory, from its making to its closing. One thread makes and closes it. */
public final class FuseMount implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(FuseMount.class.getName());
    private static final Path DEVICE = Path.of("/dev/fuse");

    /** How long writes that are being waited for may take to give up. */
    private static final Duration LAST_WRITES = Duration.ofSeconds(5);

    private final Path directory;
    private final boolean made;
    private final Fd stop;
    private final FuseSession session;
    private final Thread thread;

    private FuseMount(Path directory, boolean made, Fd stop, FuseSession session) {
        this.directory = directory;
        this.made = made;
        this.stop = stop;
        this.session = session;
        thread = Thread.ofPlatform().daemon().name("vfio-fuse").unstarted(session);
    }

    /**
     * Mounts a file system.
     *
     * @param directory made when it is not there, and deleted at the end then; where a process that died has left its mount, that
     *     goes first
     * @param root its top
     * @param source what /proc/mounts says first
     * @throws ErrnoException EEXIST when the directory is not empty, ENOTDIR when it is none; ENOENT without /dev/fuse, or without
     *     fusermount3 for a process that may not mount; EPERM when fusermount3 refuses
     */
    public static FuseMount open(Path directory, FuseNode.Directory root, String source) {
        boolean made = prepare(directory);
        Fd device = FuseDevice.mount(DEVICE, directory, source);
        device.setNonBlocking(true);
        Fd stop = EventFd.create();
        FuseMount mount = new FuseMount(directory, made, stop, new FuseSession(device, stop, root, FileOwner.self()));
        mount.thread.start();
        return mount;
    }

    public Path directory() {
        return directory;
    }

    /** Unmounts it, whoever is in it or waits for it: they get ENOTCONN. */
    @Override
    public void close() {
        FuseDevice.unmount(directory);
        EventFd.signal(stop.value());
        try {
            thread.join();
            session.writer().end(LAST_WRITES);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        session.writer().close();
        stop.close();
        if (made) {
            delete(directory);
        }
    }

    private static boolean prepare(Path directory) {
        try {
            FileStat.of(directory);
        } catch (ErrnoException e) {
            if (e.errno() != ENOTCONN) {
                return create(directory);
            }
            LOG.log(Level.INFO, "{0}: a dead process has left it mounted", directory);
            FuseDevice.unmount(directory);
        }
        if (!Files.isDirectory(directory)) {
            throw new ErrnoException(ENOTDIR, "mount " + directory);
        }
        try (Stream<Path> list = Files.list(directory)) {
            if (list.findAny().isPresent()) {
                throw new ErrnoException(EEXIST, "mount " + directory + ", which is not empty");
            }
            return false;
        } catch (IOException e) {
            throw ErrnoException.of(e, "list " + directory);
        }
    }

    private static boolean create(Path directory) {
        try {
            Files.createDirectories(directory);
            return true;
        } catch (IOException e) {
            throw ErrnoException.of(e, "mkdir " + directory);
        }
    }

    private static void delete(Path directory) {
        try {
            Files.deleteIfExists(directory);
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "{0} stays: {1}", directory, e.toString());
        }
    }
}
