package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * The message that goes out, built in place and used again for each: a handler fills the payload in, and says how long it is.
 * Belongs to the connection's owner.
 */
final class OutMessage implements AutoCloseable {

    private final Mapping memory;
    private final MemorySegment buffer;
    private final List<Fd> fds = new ArrayList<>(0);
    private final List<Fd> ownFds = new ArrayList<>(0);
    private int payloadSize;
    private int used;

    /** @param maxMessage the largest message, header included */
    OutMessage(int maxMessage) {
        memory = Mapping.anonymous(maxMessage);
        buffer = memory.segment();
    }

    /** Begins a new message, with an empty payload and no descriptors. */
    void begin() {
        payloadSize = 0;
        dropFds();
    }

    /** Passes a descriptor along, which stays its owner's and open until the message is sent: its index in the message. */
    int addFd(Fd fd) {
        fds.add(fd);
        return fds.size() - 1;
    }

    /** Passes a descriptor along that is nobody else's: it is closed with {@link #dropFds}. */
    int addOwnFd(Fd fd) {
        ownFds.add(fd);
        return addFd(fd);
    }

    /** The descriptors that go with it. */
    List<Fd> fds() {
        return fds;
    }

    /** The message is sent, or will not be. */
    void dropFds() {
        if (!fds.isEmpty()) {
            ownFds.forEach(Fd::close);
            ownFds.clear();
            fds.clear();
        }
    }

    void putInt(long offset, int value) {
        buffer.set(JAVA_INT_UNALIGNED, Header.SIZEOF + offset, value);
    }

    void putLong(long offset, long value) {
        buffer.set(JAVA_LONG_UNALIGNED, Header.SIZEOF + offset, value);
    }

    void putShort(long offset, int value) {
        buffer.set(JAVA_SHORT_UNALIGNED, Header.SIZEOF + offset, (short) value);
    }

    /** Copies the first {@code length} bytes of a message's payload: many replies repeat the request. */
    void repeat(Message request, int length) {
        MemorySegment.copy(request.buffer(), request.payloadAt(), buffer, Header.SIZEOF, length);
    }

    void setPayloadSize(int bytes) {
        payloadSize = bytes;
    }

    MemorySegment buffer() {
        return buffer;
    }

    /** The payload, as far as there is room for it. */
    MemorySegment payload() {
        return buffer.asSlice(Header.SIZEOF);
    }

    int payloadSize() {
        return payloadSize;
    }

    int size() {
        return Header.SIZEOF + payloadSize;
    }

    /** Whether it holds much memory. */
    boolean isLarge() {
        return used > Inbox.KEPT;
    }

    /** Gives memory back; what was built is sent. */
    void trim() {
        if (isLarge()) {
            used = 0;
            Inbox.discardAllBut(memory, Inbox.KEPT);
        }
    }

    void putHeader(int id, int command, int flags, int error) {
        used = Math.max(used, size());
        buffer.set(JAVA_SHORT_UNALIGNED, Header.MSG_ID, (short) id);
        buffer.set(JAVA_SHORT_UNALIGNED, Header.COMMAND, (short) command);
        buffer.set(JAVA_INT_UNALIGNED, Header.MSG_SIZE, size());
        buffer.set(JAVA_INT_UNALIGNED, Header.FLAGS, flags);
        buffer.set(JAVA_INT_UNALIGNED, Header.ERROR_NO, error);
    }

    @Override
    public void close() {
        dropFds();
        memory.close();
    }
}
