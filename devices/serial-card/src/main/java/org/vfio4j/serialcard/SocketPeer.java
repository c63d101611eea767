package org.vfio4j.serialcard;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINTR;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Epoll;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.sys.UnixSocket;

/**
 * A socket as a port's peer, and its user of the moment. Characters for the user wait in a ring, which both the port's threads and
 * the loop's reach; all else is the loop's.
 */
final class SocketPeer implements SerialPeer {

    private static final int BUFFER_BYTES = 4096;

    private final SerialSockets.Loop loop;
    private final Path path;
    private final Fd listening;
    private volatile @Nullable SerialPort port;

    // What goes to the user, under its lock.
    private final byte[] out = new byte[BUFFER_BYTES];
    private final Object outLock = new Object();
    private int outHead;
    private int outCount;
    private boolean portWaits;
    private volatile boolean attached;

    // The loop's.
    private final MemorySegment buffer = Arena.ofAuto().allocate(BUFFER_BYTES);
    private final byte[] in = new byte[BUFFER_BYTES];
    private int inAt;
    private int inEnd;
    private long listenSource;
    private @Nullable Fd user;
    private long userSource;

    SocketPeer(SerialSockets.Loop loop, Path path, Fd listening) {
        this.loop = loop;
        this.path = path;
        this.listening = listening;
    }

    @Override
    public void plug(SerialPort plugged) {
        port = plugged;
        // Where there is nobody the cable is a good one still: only the carrier is missing.
        plugged.lines(true, attached, attached);
    }

    @Override
    public boolean send(int value) {
        boolean first;
        synchronized (outLock) {
            if (!attached) {
                return true;
            }
            if (outCount == BUFFER_BYTES) {
                portWaits = true;
                return false;
            }
            out[(outHead + outCount) % BUFFER_BYTES] = (byte) value;
            first = outCount == 0;
            outCount++;
        }
        if (first) {
            loop.post(this::ready);
        }
        return true;
    }

    @Override
    public void room() {
        loop.post(this::ready);
    }

    /** Hangs up on the user, and takes the socket away. */
    @Override
    public void close() {
        loop.await(() -> {
            hangUp();
            loop.forget(listening.value(), listenSource);
            listening.close();
            try {
                Files.deleteIfExists(path);
            } catch (IOException e) {
                System.getLogger(SerialSockets.class.getName()).log(Level.WARNING, "{0} stays: {1}", path, e);
            }
        });
    }

    @Override
    public String toString() {
        return "unix:" + path;
    }

    /** The loop's. */
    void start() {
        listenSource = loop.watch(listening.value(), Epoll.EPOLLIN, this::accept);
    }

    private void accept() {
        int fd = UnixSocket.accept(listening.value());
        if (fd < 0) {
            return;
        }
        Fd accepted = Fd.own(fd);
        if (user != null) {
            accepted.close();
            return;
        }
        try {
            userSource = loop.watch(fd, Epoll.EPOLLIN | Epoll.EPOLLONESHOT, this::ready);
        } catch (ErrnoException e) {
            accepted.close();
            return;
        }
        user = accepted;
        synchronized (outLock) {
            attached = true;
        }
        raise(true);
    }

    private void ready() {
        write();
        deliver();
        receive();
        watch();
    }

    private void receive() {
        Fd from = user;
        if (from == null || inAt < inEnd) {
            return;
        }
        long count = loop.io().recv(from.value(), buffer, 0, BUFFER_BYTES, SocketIo.MSG_DONTWAIT);
        if (count > 0) {
            MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, in, 0, (int) count);
            inAt = 0;
            inEnd = (int) count;
            deliver();
        } else if (count != -EAGAIN && count != -EINTR) {
            hangUp();
        }
    }

    /** Hands the port what came for it; what it has no room for keeps the user waiting. */
    private void deliver() {
        SerialPort to = port;
        if (to != null && inAt < inEnd) {
            inAt += to.receive(in, inAt, inEnd - inAt);
        }
    }

    /** Sends the user what waits for him, as far as it goes. */
    private void write() {
        Fd to = user;
        if (to == null) {
            return;
        }
        boolean portWaited;
        synchronized (outLock) {
            int piece = Math.min(outCount, BUFFER_BYTES - outHead);
            if (piece == 0) {
                return;
            }
            MemorySegment.copy(out, outHead, buffer, ValueLayout.JAVA_BYTE, 0, piece);
            long sent = loop.io().send(to.value(), buffer, 0, piece, new int[0], 0, SocketIo.MSG_DONTWAIT);
            if (sent > 0) {
                outHead = (outHead + (int) sent) % BUFFER_BYTES;
                outCount -= (int) sent;
            }
            portWaited = portWaits && outCount < BUFFER_BYTES;
            portWaits &= !portWaited;
        }
        if (portWaited) {
            drainPort();
        }
    }

    /**
     * Watches for what can be done, once. When nothing can, because the port has no room, a hang-up would be reported without end:
     * then there is no watch, and the user's going is noticed when the port has read what came before it.
     */
    private void watch() {
        Fd watched = user;
        if (watched == null) {
            return;
        }
        boolean waiting;
        synchronized (outLock) {
            waiting = outCount != 0;
        }
        int events = (inAt < inEnd ? 0 : Epoll.EPOLLIN) | (waiting ? Epoll.EPOLLOUT : 0);
        if (events != 0) {
            loop.change(watched.value(), events | Epoll.EPOLLONESHOT, userSource);
        }
    }

    private void hangUp() {
        Fd gone = user;
        if (gone == null) {
            return;
        }
        loop.forget(gone.value(), userSource);
        gone.close();
        user = null;
        inAt = 0;
        inEnd = 0;
        synchronized (outLock) {
            attached = false;
            outCount = 0;
            portWaits = false;
        }
        raise(false);
        drainPort();
    }

    private void raise(boolean carrier) {
        SerialPort to = port;
        if (to != null) {
            to.lines(true, carrier, carrier);
        }
    }

    private void drainPort() {
        SerialPort to = port;
        if (to != null) {
            to.drain();
        }
    }
}
