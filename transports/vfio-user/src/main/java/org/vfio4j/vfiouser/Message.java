package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * A whole message that was received: a view on the {@link Inbox}'s buffer, moved from message to message. Belongs to the
 * connection's owner, and is good until the inbox moves on.
 *
 * <p>Offsets are into the payload, which begins behind the 16-byte header. All of them are within what {@link #requirePayload}
 * has checked.
 */
final class Message {

    private final MemorySegment buffer;
    private final @Nullable Fd[] fds;
    private int fdCount;
    private long at;
    private int size;

    Message(MemorySegment buffer, int maxFds) {
        this.buffer = buffer;
        fds = new @Nullable Fd[maxFds];
    }

    /** Moves the view; the message has no descriptors then. */
    void moveTo(long newAt, int newSize) {
        at = newAt;
        size = newSize;
        fdCount = 0;
    }

    /** Gives the message a descriptor, which it owns. */
    void addFd(Fd fd) {
        fds[fdCount] = fd;
        fdCount++;
    }

    int id() {
        return Short.toUnsignedInt(buffer.get(JAVA_SHORT_UNALIGNED, at + Header.MSG_ID));
    }

    int command() {
        return Short.toUnsignedInt(buffer.get(JAVA_SHORT_UNALIGNED, at + Header.COMMAND));
    }

    int flags() {
        return buffer.get(JAVA_INT_UNALIGNED, at + Header.FLAGS);
    }

    int error() {
        return buffer.get(JAVA_INT_UNALIGNED, at + Header.ERROR_NO);
    }

    int type() {
        return flags() & Header.FLAGS_TYPE_MASK;
    }

    boolean wantsReply() {
        return (flags() & Header.FLAGS_NO_REPLY) == 0;
    }

    int payloadSize() {
        return size - Header.SIZEOF;
    }

    MemorySegment buffer() {
        return buffer;
    }

    /** Where the payload begins in {@link #buffer}. */
    long payloadAt() {
        return at + Header.SIZEOF;
    }

    int u32(long offset) {
        return buffer.get(JAVA_INT_UNALIGNED, payloadAt() + offset);
    }

    long u64(long offset) {
        return buffer.get(JAVA_LONG_UNALIGNED, payloadAt() + offset);
    }

    byte u8(long offset) {
        return buffer.get(JAVA_BYTE, payloadAt() + offset);
    }

    int u16(long offset) {
        return Short.toUnsignedInt(buffer.get(JAVA_SHORT_UNALIGNED, payloadAt() + offset));
    }

    /** @throws ErrnoException EINVAL when the payload is shorter than {@code least} bytes */
    void requirePayload(int least) {
        if (payloadSize() < least) {
            throw new ErrnoException(
                    EINVAL,
                    "command " + command() + ": payload of " + payloadSize() + " bytes, at least " + least + " needed");
        }
    }

    /**
     * Checks a payload that begins with {@code argsz}.
     *
     * @throws ErrnoException EINVAL when the payload or the size that it states is less than {@code least} bytes
     */
    void requireArgsz(int least) {
        requirePayload(least);
        if (Integer.compareUnsigned(u32(0), least) < 0) {
            throw new ErrnoException(
                    EINVAL,
                    "command " + command() + ": argsz " + Integer.toUnsignedLong(u32(0)) + ", at least " + least
                            + " needed");
        }
    }

    int fdCount() {
        return fdCount;
    }

    /** A descriptor, which stays the message's. It has not been taken. */
    Fd fd(int index) {
        return Objects.requireNonNull(fds[index]);
    }

    /** Hands a descriptor to the caller. */
    Fd takeFd(int index) {
        Fd fd = fds[index];
        if (fd == null) {
            throw new IllegalStateException("descriptor " + index + " is taken");
        }
        fds[index] = null;
        return fd;
    }

    /** Closes what nobody has taken. */
    void closeFds() {
        for (int i = 0; i < fdCount; i++) {
            Fd fd = fds[i];
            if (fd != null) {
                fd.close();
                fds[i] = null;
            }
        }
        fdCount = 0;
    }
}
