package org.vfio4j.fuse;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** Sends a session's replies, and carries out its writes, each on a thread of its own. Any thread calls it. */
final class FuseWriter {

    private static final System.Logger LOG = System.getLogger(FuseWriter.class.getName());

    /** So many may wait at a time. Each is somebody's system call. */
    private static final int MAX_WRITES = 64;

    private static final int REPLY_BYTES = 64;

    private final Fd device;
    private final Map<Long, Thread> running = new ConcurrentHashMap<>();

    FuseWriter(Fd device) {
        this.device = device;
    }

    /** Sends a reply. One whose asker is gone is nobody's trouble. */
    synchronized void reply(MemorySegment bytes) {
        if (!device.isOpen()) {
            return;
        }
        long sent = FileIo.write(device.value(), bytes.address(), bytes.byteSize());
        if (sent < 0 && sent != -ENOENT && sent != -ENODEV) {
            LOG.log(Level.WARNING, "a reply of {0} bytes is refused: {1}", bytes.byteSize(), sent);
        }
    }

    /**
     * Begins a write, and answers it when it is done. Only the session's thread begins them.
     *
     * @throws ErrnoException EAGAIN when too many wait
     */
    void write(long unique, FuseNode.Handle file, long offset, byte[] data) {
        if (running.size() >= MAX_WRITES) {
            throw new ErrnoException(EAGAIN, "write: " + MAX_WRITES + " are being waited for");
        }
        Thread thread = Thread.ofPlatform()
                .daemon()
                .name("vfio-fuse-write-" + unique)
                .unstarted(() -> perform(unique, file, offset, data));
        running.put(unique, thread);
        thread.start();
    }

    /** The caller of a write has got a signal. */
    void interrupt(long unique) {
        Thread thread = running.get(unique);
        if (thread != null) {
            thread.interrupt();
        }
    }

    /** Interrupts all, and waits a while for their ends. */
    void end(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        List<Thread> left = List.copyOf(running.values());
        left.forEach(Thread::interrupt);
        for (Thread thread : left) {
            thread.join(Duration.ofNanos(Math.max(1, deadline - System.nanoTime())));
        }
    }

    /** Closes the device: nothing is sent any more. Whoever still waits for an answer gets ENOTCONN. */
    synchronized void close() {
        device.close();
    }

    private void perform(long unique, FuseNode.Handle file, long offset, byte[] data) {
        int errno = 0;
        int taken = 0;
        try {
            synchronized (file) {
                taken = file.write(offset, data);
            }
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "a write is refused: {0}", e.getMessage());
            errno = e.errno();
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "a write failed", e);
            errno = EIO;
        } finally {
            running.remove(unique);
        }
        try (Arena arena = Arena.ofConfined()) {
            FuseReply reply = new FuseReply(arena.allocate(REPLY_BYTES, Long.BYTES));
            reply(reply.u32(taken).u32(0).finish(unique, errno));
        }
    }
}
