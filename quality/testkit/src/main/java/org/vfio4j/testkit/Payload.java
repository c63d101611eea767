package org.vfio4j.testkit;

import java.io.ByteArrayOutputStream;

/** Builds the little-endian bytes of a message's payload. */
public final class Payload {

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** 16 bits. */
    public Payload u16(int value) {
        return littleEndian(value, 2);
    }

    /** 32 bits. */
    public Payload u32(long value) {
        return littleEndian(value, 4);
    }

    /** 64 bits. */
    public Payload u64(long value) {
        return littleEndian(value, 8);
    }

    /** As they are. */
    public Payload bytes(byte... bytes) {
        out.writeBytes(bytes);
        return this;
    }

    /** What was put in so far. */
    public byte[] toBytes() {
        return out.toByteArray();
    }

    private Payload littleEndian(long value, int width) {
        for (int i = 0; i < width; i++) {
            out.write((int) (value >>> (8 * i)));
        }
        return this;
    }
}
