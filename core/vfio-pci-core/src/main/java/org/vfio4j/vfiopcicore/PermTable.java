package org.vfio4j.vfiopcicore;

import java.util.Arrays;

/**
 * What the user may do with each bit of a configuration space: a virtual bit is read from and written to vfio's own copy, any
 * other reaches the function; a bit that is not writable keeps its value. One flat table for each open device, filled when it
 * is opened.
 */
final class PermTable {

    /** No bit. */
    static final int NONE = 0;

    /** Every bit. */
    static final int ALL = -1;

    private final byte[] virt;
    private final byte[] write;

    /** Nothing virtual, nothing writable. */
    PermTable(int size) {
        this.virt = new byte[size];
        this.write = new byte[size];
    }

    void setByte(int offset, int virtBits, int writeBits) {
        set(offset, 1, virtBits, writeBits);
    }

    void setWord(int offset, int virtBits, int writeBits) {
        set(offset, 2, virtBits, writeBits);
    }

    void setDword(int offset, int virtBits, int writeBits) {
        set(offset, 4, virtBits, writeBits);
    }

    /** The same bits for each byte of a range. */
    void fill(int offset, int length, int virtBits, int writeBits) {
        Arrays.fill(virt, offset, offset + length, (byte) virtBits);
        Arrays.fill(write, offset, offset + length, (byte) writeBits);
    }

    int virt(int offset, int width) {
        return LittleEndian.get(virt, offset, width);
    }

    int write(int offset, int width) {
        return LittleEndian.get(write, offset, width);
    }

    private void set(int offset, int width, int virtBits, int writeBits) {
        LittleEndian.put(virt, offset, width, virtBits);
        LittleEndian.put(write, offset, width, writeBits);
    }
}
