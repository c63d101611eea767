package org.vfio4j.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.vfio4j.sys.ErrnoException;

/**
 * A request of the kernel: {@code struct fuse_in_header} and what follows it, in the machine's byte order. It lies in its session's
 * buffer, and is gone with the next one.
 */
final class FuseRequest {

    /** Bytes of {@code struct fuse_in_header}. */
    static final int HEADER_BYTES = 40;

    private static final int OPCODE = 4;
    private static final int UNIQUE = 8;
    private static final int NODEID = 16;

    private final MemorySegment bytes;

    /** @param bytes all of it, {@link #HEADER_BYTES} or more */
    FuseRequest(MemorySegment bytes) {
        this.bytes = bytes;
    }

    int opcode() {
        return bytes.get(JAVA_INT_UNALIGNED, OPCODE);
    }

    /** What the reply is known by. */
    long unique() {
        return bytes.get(JAVA_LONG_UNALIGNED, UNIQUE);
    }

    /** The node that it is about. */
    long nodeId() {
        return bytes.get(JAVA_LONG_UNALIGNED, NODEID);
    }

    /** A field behind the header. */
    int intAt(int offset) {
        check(offset, Integer.BYTES);
        return bytes.get(JAVA_INT_UNALIGNED, HEADER_BYTES + (long) offset);
    }

    /** A field behind the header. */
    long longAt(int offset) {
        check(offset, Long.BYTES);
        return bytes.get(JAVA_LONG_UNALIGNED, HEADER_BYTES + (long) offset);
    }

    /** {@code length} bytes behind the header. */
    byte[] bytesAt(int offset, int length) {
        check(offset, length);
        return bytes.asSlice(HEADER_BYTES + (long) offset, length).toArray(JAVA_BYTE);
    }

    /**
     * A name that ends with a zero.
     *
     * @throws ErrnoException ENOENT for one that is no UTF-8: there is none like it
     */
    String name() {
        byte[] rest = bytesAt(0, (int) bytes.byteSize() - HEADER_BYTES);
        int length = 0;
        while (length < rest.length && rest[length] != 0) {
            length++;
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(rest, 0, length))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ErrnoException(ENOENT, "a name that is no UTF-8");
        }
    }

    private void check(int offset, int length) {
        if (length < 0 || HEADER_BYTES + (long) offset + length > bytes.byteSize()) {
            throw new ErrnoException(
                    EINVAL, "request " + opcode() + " of " + bytes.byteSize() + " bytes, which is too short");
        }
    }
}
