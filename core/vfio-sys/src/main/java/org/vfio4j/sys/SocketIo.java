package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * Sends and receives bytes and descriptors: sendmsg(2), recvmsg(2), SCM_RIGHTS of unix(7). One thread at a time uses it. The
 * calls allocate nothing.
 *
 * <p>Where no descriptors go along it is send(2) and recv(2), which spare the kernel a struct msghdr: some 50 ns each, of the 460 ns
 * that the two take.
 *
 * <p>It owns the descriptors that came with the last receive until they are taken or closed.
 */
public final class SocketIo implements AutoCloseable {

    public static final int MSG_PEEK = 2;
    public static final int MSG_DONTWAIT = 0x40;
    public static final int MSG_WAITALL = 0x100;

    /** The most descriptors that the kernel passes with one message: SCM_MAX_FD. */
    public static final int MAX_FDS = 253;

    private static final int MSG_CTRUNC = 8;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int TAKEN = -1;

    // struct msghdr
    private static final long MSG_IOV = 16;
    private static final long MSG_IOVLEN = 24;
    private static final long MSG_CONTROL = 32;
    private static final long MSG_CONTROLLEN = 40;
    private static final long MSG_FLAGS = 48;
    private static final long MSGHDR_SIZEOF = 56;

    // struct cmsghdr {size_t len; int level; int type;} and data
    private static final long CMSG_LEVEL = 8;
    private static final long CMSG_TYPE = 12;
    private static final long CMSG_DATA = 16;

    private static final long IOVEC_SIZEOF = 16;
    private static final long IOV_LEN = 8;

    private static final CFunction SEND = CFunction.of("send");
    private static final CFunction RECV = CFunction.of("recv");
    private static final CFunction SENDMSG = CFunction.of("sendmsg");
    private static final CFunction RECVMSG = CFunction.of("recvmsg");

    private final MemorySegment header = Arena.ofAuto().allocate(MSGHDR_SIZEOF, Long.BYTES);
    private final MemorySegment iov = Arena.ofAuto().allocate(2 * IOVEC_SIZEOF, Long.BYTES);
    private final MemorySegment control;
    private final long controlBytes;
    private final int[] fds;
    private int fdCount;
    private boolean controlTruncated;

    /** @param maxFds how many descriptors it can receive with one message, at most {@link #MAX_FDS} */
    public SocketIo(int maxFds) {
        if (maxFds < 1 || maxFds > MAX_FDS) {
            throw new IllegalArgumentException("maxFds " + maxFds + ": 1 to " + MAX_FDS);
        }
        fds = new int[maxFds];
        // Not aligned up: that could make room for one descriptor more.
        controlBytes = CMSG_DATA + (long) maxFds * Integer.BYTES;
        // Room for as many as the kernel takes, since the same buffer sends.
        control = Arena.ofAuto().allocate(CMSG_DATA + alignUp((long) MAX_FDS * Integer.BYTES), Long.BYTES);
        header.set(ADDRESS, MSG_IOV, iov);
    }

    /**
     * Receives up to {@code length} bytes into {@code buffer} from byte {@code at} on. Descriptors that an earlier receive left
     * untaken are closed.
     *
     * @param flags {@code MSG_*}
     * @return bytes, 0 at the end of the stream, or a negative errno
     */
    public long recv(int fd, MemorySegment buffer, long at, long length, int flags) {
        closeFds();
        piece(0, buffer, at, length);
        header.set(JAVA_LONG, MSG_IOVLEN, 1);
        header.set(ADDRESS, MSG_CONTROL, control);
        header.set(JAVA_LONG, MSG_CONTROLLEN, controlBytes);
        header.set(JAVA_INT, MSG_FLAGS, 0);
        long received;
        try {
            received = RECVMSG.call(fd, header.address(), flags | MSG_CMSG_CLOEXEC);
        } finally {
            // The kernel got their addresses only.
            Reference.reachabilityFence(buffer);
            Reference.reachabilityFence(this);
        }
        controlTruncated = received >= 0 && (header.get(JAVA_INT, MSG_FLAGS) & MSG_CTRUNC) != 0;
        if (received >= 0 && header.get(JAVA_LONG, MSG_CONTROLLEN) > 0) {
            collectFds();
        }
        return received;
    }

    /** As {@link #recv}, where no descriptors are expected: the kernel closes those that come. */
    public long recvBytes(int fd, MemorySegment buffer, long at, long length, int flags) {
        closeFds();
        controlTruncated = false;
        checkPiece(buffer, at, length);
        try {
            return RECV.call(fd, buffer.address() + at, length, flags);
        } finally {
            Reference.reachabilityFence(buffer);
        }
    }

    /** How many descriptors came with the last receive. */
    public int fdCount() {
        return fdCount;
    }

    /** Takes over descriptor {@code i} of the last receive. */
    public Fd takeFd(int i) {
        Fd taken = Fd.own(fds[i]);
        fds[i] = TAKEN;
        return taken;
    }

    /** Closes the descriptors that nobody took. */
    public void closeFds() {
        for (int i = 0; i < fdCount; i++) {
            if (fds[i] != TAKEN) {
                Fd.closeRaw(fds[i]);
            }
        }
        fdCount = 0;
    }

    /** Whether the last receive came with more descriptors than there was room for: some are lost. */
    public boolean controlTruncated() {
        return controlTruncated;
    }

    /**
     * Sends {@code length} bytes of {@code buffer} from byte {@code at} on. Never raises SIGPIPE.
     *
     * @param sendFds descriptors to pass with the first byte; the caller keeps them
     * @param sendFdCount how many of them, at most {@link #MAX_FDS}
     * @return bytes sent, or a negative errno; when less than {@code length}, the descriptors have gone with the first part
     */
    public long send(int fd, MemorySegment buffer, long at, long length, int[] sendFds, int sendFdCount, int flags) {
        try {
            if (sendFdCount == 0) {
                checkPiece(buffer, at, length);
                return SEND.call(fd, buffer.address() + at, length, flags | MSG_NOSIGNAL);
            }
            piece(0, buffer, at, length);
            return sendPieces(fd, 1, sendFds, sendFdCount, flags);
        } finally {
            Reference.reachabilityFence(buffer);
        }
    }

    /** Sends two pieces as one message, such as a header and its payload, without descriptors; otherwise as {@link #send}. */
    public long sendv(
            int fd, MemorySegment first, long firstLength, MemorySegment second, long secondLength, int flags) {
        try {
            piece(0, first, 0, firstLength);
            piece(1, second, 0, secondLength);
            return sendPieces(fd, 2, fds, 0, flags);
        } finally {
            Reference.reachabilityFence(first);
            Reference.reachabilityFence(second);
        }
    }

    /** Closes the descriptors that nobody took. */
    @Override
    public void close() {
        closeFds();
    }

    private long sendPieces(int fd, int pieces, int[] sendFds, int sendFdCount, int flags) {
        header.set(JAVA_LONG, MSG_IOVLEN, pieces);
        if (sendFdCount > 0) {
            long bytes = CMSG_DATA + (long) sendFdCount * Integer.BYTES;
            control.set(JAVA_LONG, 0, bytes);
            control.set(JAVA_INT, CMSG_LEVEL, SOL_SOCKET);
            control.set(JAVA_INT, CMSG_TYPE, SCM_RIGHTS);
            MemorySegment.copy(sendFds, 0, control, JAVA_INT, CMSG_DATA, sendFdCount);
            header.set(ADDRESS, MSG_CONTROL, control);
            header.set(JAVA_LONG, MSG_CONTROLLEN, alignUp(bytes));
        } else {
            header.set(ADDRESS, MSG_CONTROL, MemorySegment.NULL);
            header.set(JAVA_LONG, MSG_CONTROLLEN, 0);
        }
        try {
            return SENDMSG.call(fd, header.address(), flags | MSG_NOSIGNAL);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private void piece(int i, MemorySegment buffer, long at, long length) {
        checkPiece(buffer, at, length);
        iov.set(JAVA_LONG, i * IOVEC_SIZEOF, buffer.address() + at);
        iov.set(JAVA_LONG, i * IOVEC_SIZEOF + IOV_LEN, length);
    }

    private static void checkPiece(MemorySegment buffer, long at, long length) {
        if (at < 0 || length < 0 || at > buffer.byteSize() - length) {
            throw new IndexOutOfBoundsException(
                    "bytes " + at + " to " + (at + length) + " of a buffer of " + buffer.byteSize());
        }
    }

    private void collectFds() {
        // SCM_RIGHTS is the only control message that a Unix socket passes unless asked for others.
        if (control.get(JAVA_INT, CMSG_LEVEL) != SOL_SOCKET || control.get(JAVA_INT, CMSG_TYPE) != SCM_RIGHTS) {
            return;
        }
        fdCount = (int) ((control.get(JAVA_LONG, 0) - CMSG_DATA) / Integer.BYTES);
        MemorySegment.copy(control, JAVA_INT, CMSG_DATA, fds, 0, fdCount);
    }

    private static long alignUp(long bytes) {
        return bytes + Long.BYTES - 1 & -Long.BYTES;
    }
}
