package org.vfio4j.i40evf;

/** The Internet checksum (RFC 1071) over arrays; sums are of big-endian words and folded to 16 bits. Stateless. */
final class Checksum {

    private Checksum() {}

    /** Adds {@code length} bytes to a sum, the last alone if their number is odd. */
    static int add(int sum, byte[] bytes, int offset, int length) {
        long total = 0;
        int at = offset;
        int end = offset + length;
        // In the machine's order, four bytes at a time: the sum of swapped words is the swapped sum.
        for (; at + Integer.BYTES <= end; at += Integer.BYTES) {
            total += Integer.toUnsignedLong(LittleEndian.i32(bytes, at));
        }
        if (at + Short.BYTES <= end) {
            total += LittleEndian.u16(bytes, at);
            at += Short.BYTES;
        }
        if (at < end) {
            total += Byte.toUnsignedInt(bytes[at]);
        }
        total = (total & 0xffff_ffffL) + (total >>> 32);
        total = (total & 0xffff_ffffL) + (total >>> 32);
        int folded = fold((int) (total & 0xffff) + (int) (total >>> 16));
        return fold(sum + (Integer.reverseBytes(folded) >>> 16));
    }

    /** Adds one big-endian word. */
    static int add(int sum, int word) {
        return fold(sum + word);
    }

    /** The checksum of a sum. */
    static int of(int sum) {
        return ~sum & 0xffff;
    }

    static int get16(byte[] bytes, int at) {
        return Byte.toUnsignedInt(bytes[at]) << 8 | Byte.toUnsignedInt(bytes[at + 1]);
    }

    static void put16(byte[] bytes, int at, int value) {
        bytes[at] = (byte) (value >>> 8);
        bytes[at + 1] = (byte) value;
    }

    private static int fold(int sum) {
        int once = (sum & 0xffff) + (sum >>> 16);
        return (once & 0xffff) + (once >>> 16);
    }
}
