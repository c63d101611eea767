package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * The receiving half of a connection: turns a stream of chunks into messages with the descriptors that came with them.
 * Belongs to the connection's owner.
 *
 * <p>One recvmsg usually brings one message, header and payload, but it may as well bring a part of one or many glued
 * together. The kernel ends a chunk behind the bytes that carried descriptors, so they belong to the last message that begins
 * in it. The buffer has room for the largest message from the start; memory is used only where bytes have been.
 */
final class Inbox implements AutoCloseable {

    /** What {@link #next} answers. */
    enum Next {
        /** The message is there. */
        MESSAGE,
        /** More bytes are needed. */
        INCOMPLETE,
        /** A header gives a size that no message has: where the next one begins is anybody's guess. */
        FRAMING_LOST
    }

    // Enough for thousands of small messages, little enough that they do not keep others waiting.
    private static final int CHUNK = 64 * 1024;

    /** What an idle connection may keep of the memory that its messages have used. */
    static final int KEPT = 16 * 1024;

    private final int maxMessage;
    private final int capacity;
    private final Mapping memory;
    private final MemorySegment buffer;
    private final SocketIo io;
    private final Message message;

    // Bytes [head, tail) are not consumed yet; headPosition is the place of head in the whole stream.
    private int head;
    private int tail;
    private long headPosition;
    private int messageSize;

    // How far the buffer has been used since the last trim.
    private int used;

    // Descriptors of messages that are not complete yet, with the stream position of the message that each belongs to.
    private final @Nullable Fd[] fds;
    private final long[] fdOwner;
    private int fdCount;

    /**
     * @param maxMessage the largest message, header included
     * @param maxFds descriptors that one message may carry
     */
    Inbox(int maxMessage, int maxFds) {
        this.maxMessage = maxMessage;
        capacity = maxMessage + Header.SIZEOF;
        memory = Mapping.anonymous(capacity);
        buffer = memory.segment();
        io = new SocketIo(maxFds);
        message = new Message(buffer, 2 * maxFds);
        fds = new @Nullable Fd[2 * maxFds];
        fdOwner = new long[2 * maxFds];
    }

    /** The message that {@link #next} has found. */
    Message message() {
        return message;
    }

    /**
     * Receives once.
     *
     * @param flags {@code MSG_*}
     * @return bytes, 0 at the end of the stream, -errno; -EPROTO when descriptors were lost or are too many
     */
    long receive(Fd socket, int flags) {
        int length = room();
        if (length == 0) {
            return -EAGAIN;
        }
        long n = io.recv(socket.value(), buffer, tail, length, flags);
        take(n);
        if (n >= 0 && (io.fdCount() != 0 || io.controlTruncated())) {
            return takeFds() ? n : -EPROTO;
        }
        return n;
    }

    /** As {@link #receive}, when no message with descriptors can come: they would be closed. */
    long receiveBytes(Fd socket, int flags) {
        int length = room();
        if (length == 0) {
            return -EAGAIN;
        }
        long n = io.recvBytes(socket.value(), buffer, tail, length, flags);
        take(n);
        return n;
    }

    private void take(long received) {
        if (received > 0) {
            tail += (int) received;
            used = Math.max(used, tail);
        }
    }

    /** Looks for a whole message at the head of the buffer. The one before it has been consumed. */
    Next next() {
        int available = tail - head;
        if (available < Header.SIZEOF) {
            return Next.INCOMPLETE;
        }
        int size = sizeAt(head);
        if (size < Header.SIZEOF || size > maxMessage) {
            message.moveTo(head, Header.SIZEOF);
            return Next.FRAMING_LOST;
        }
        if (available < size) {
            return Next.INCOMPLETE;
        }
        messageSize = size;
        message.moveTo(head, size);
        if (fdCount != 0) {
            handOverFds();
        }
        return Next.MESSAGE;
    }

    /** The message is done with; descriptors that nobody took are closed. */
    void consume() {
        message.closeFds();
        head += messageSize;
        headPosition += messageSize;
        if (head == tail) {
            head = 0;
            tail = 0;
        }
    }

    /** What has come of a message that is not complete. */
    byte[] rest() {
        return buffer.asSlice(head, tail - head).toArray(JAVA_BYTE);
    }

    /** The descriptors that came with it, in order; they stay the inbox's. */
    List<Fd> restFds() {
        return Arrays.stream(fds, 0, fdCount).map(Objects::requireNonNull).toList();
    }

    /**
     * Begins with what another inbox has received: {@link #rest} and {@link #restFds}.
     *
     * @param restFds owned by the inbox from now on
     * @throws ErrnoException EINVAL when it is more than a message can be
     */
    void begin(byte[] rest, List<Fd> restFds) {
        if (rest.length > capacity || restFds.size() > fds.length) {
            restFds.forEach(Fd::close);
            throw new ErrnoException(
                    EINVAL, "take over " + rest.length + " bytes and " + restFds.size() + " descriptors of a message");
        }
        MemorySegment.copy(rest, 0, buffer, JAVA_BYTE, 0, rest.length);
        tail = rest.length;
        used = tail;
        for (Fd fd : restFds) {
            fds[fdCount] = fd;
            fdOwner[fdCount] = headPosition;
            fdCount++;
        }
    }

    /** Whether it holds much memory. */
    boolean isLarge() {
        return used > KEPT;
    }

    /** Gives memory back, unless a message is in it. */
    void trim() {
        if (isLarge() && tail == 0) {
            used = 0;
            discardAllBut(memory, KEPT);
        }
    }

    /** Gives back all of a mapping but its first bytes. */
    static void discardAllBut(Mapping memory, int kept) {
        // The mapping ends with a whole page, whatever its size is.
        long pages = (memory.size() - kept + Mapping.PAGE_BYTES - 1) / Mapping.PAGE_BYTES;
        memory.discard(kept, pages * Mapping.PAGE_BYTES);
    }

    @Override
    public void close() {
        message.closeFds();
        for (int i = 0; i < fdCount; i++) {
            Objects.requireNonNull(fds[i]).close();
        }
        fdCount = 0;
        io.close();
        memory.close();
    }

    // How much to receive next; moves an incomplete message to the front if there is not enough room behind it.
    private int room() {
        int available = tail - head;
        int wanted = CHUNK;
        if (available >= Header.SIZEOF) {
            wanted = Math.max(wanted, sizeAt(head) - available);
        }
        if (head > 0 && capacity - tail < wanted) {
            MemorySegment.copy(buffer, head, buffer, 0, available);
            head = 0;
            tail = available;
        }
        return Math.min(wanted, capacity - tail);
    }

    private int sizeAt(int at) {
        return buffer.get(JAVA_INT_UNALIGNED, at + Header.MSG_SIZE);
    }

    private boolean takeFds() {
        int received = io.fdCount();
        if (io.controlTruncated() || fdCount + received > fds.length) {
            io.closeFds();
            return false;
        }
        long owner = headPosition + (lastMessageStart() - head);
        for (int i = 0; i < received; i++) {
            fds[fdCount] = io.takeFd(i);
            fdOwner[fdCount] = owner;
            fdCount++;
        }
        return true;
    }

    private int lastMessageStart() {
        int at = head;
        while (tail - at >= Header.SIZEOF) {
            int size = sizeAt(at);
            // A wrong size ends the connection once it is reached: whose the descriptors are does not matter then.
            if (size < Header.SIZEOF || size > maxMessage || size >= tail - at) {
                break;
            }
            at += size;
        }
        return at;
    }

    private void handOverFds() {
        int kept = 0;
        for (int i = 0; i < fdCount; i++) {
            if (fdOwner[i] == headPosition) {
                message.addFd(Objects.requireNonNull(fds[i]));
            } else {
                fds[kept] = fds[i];
                fdOwner[kept] = fdOwner[i];
                kept++;
            }
        }
        fdCount = kept;
    }
}
