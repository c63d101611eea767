package org.vfio4j.nvme;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;
import org.vfio4j.sys.RawMemory;

/** Data structures of admin commands: little-endian buffers, built whole and then given to the driver. Stateless. */
final class Bytes {

    private Bytes() {}

    /** A structure of zeroes. */
    static ByteBuffer structure(int sizeBytes) {
        return ByteBuffer.allocate(sizeBytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** A string of ASCII characters, padded with spaces (Base 1.4.2); what is too long is cut. */
    static void putAscii(ByteBuffer to, int at, int length, String text) {
        byte[] padded = new byte[length];
        Arrays.fill(padded, (byte) ' ');
        byte[] ascii = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(ascii, 0, padded, 0, Math.min(length, ascii.length));
        to.put(at, padded);
    }

    /** A counter of 16 bytes. */
    static void put128(ByteBuffer to, int at, long value) {
        to.putLong(at, value);
    }

    /** A UUID, and any other identifier that is big-endian. */
    static void putUuid(ByteBuffer to, int at, UUID uuid) {
        putBigEndian(to, at, uuid.getMostSignificantBits());
        putBigEndian(to, at + Long.BYTES, uuid.getLeastSignificantBits());
    }

    static void putBigEndian(ByteBuffer to, int at, long value) {
        to.putLong(at, Long.reverseBytes(value));
    }

    /** Gives the driver a whole structure. */
    static void toHost(AdminCommand command, ByteBuffer structure) {
        RawMemory.put(command.data(), structure.array(), 0, structure.capacity());
    }

    /** The first {@code sizeBytes} of what the driver gave. */
    static ByteBuffer fromHost(AdminCommand command, int sizeBytes) {
        ByteBuffer structure = structure(sizeBytes);
        RawMemory.get(command.data(), structure.array(), 0, sizeBytes);
        return structure;
    }
}
