package org.vfio4j.serialcard;

import java.nio.ByteBuffer;

/** The sixteen characters of a 16550A's FIFO, each with a mark. Belongs to its UART. */
final class ByteFifo {

    static final int DEPTH = 16;

    /** What {@link #save} writes. */
    static final int STATE_BYTES = 1 + DEPTH + Short.BYTES;

    private final byte[] bytes = new byte[DEPTH];
    private int marks;
    private int head;
    private int count;

    int count() {
        return count;
    }

    boolean isEmpty() {
        return count == 0;
    }

    void clear() {
        head = 0;
        count = 0;
        marks = 0;
    }

    /** There is room. */
    void add(int value, boolean marked) {
        int slot = (head + count) % DEPTH;
        bytes[slot] = (byte) value;
        setMark(slot, marked);
        count++;
    }

    /** The oldest, 0 when there is none. */
    int peek() {
        return count == 0 ? 0 : bytes[head] & 0xff;
    }

    boolean isMarked() {
        return count != 0 && (marks & (1 << head)) != 0;
    }

    boolean anyMarked() {
        return marks != 0;
    }

    void unmark() {
        setMark(head, false);
    }

    /** Takes the oldest, 0 when there is none. */
    int take() {
        int value = peek();
        if (count != 0) {
            setMark(head, false);
            head = (head + 1) % DEPTH;
            count--;
        }
        return value;
    }

    /** Count, characters from the oldest on, and their marks. */
    void save(ByteBuffer out) {
        out.put((byte) count);
        int saved = 0;
        for (int i = 0; i < DEPTH; i++) {
            int slot = (head + i) % DEPTH;
            out.put(i < count ? bytes[slot] : 0);
            if (i < count && (marks & (1 << slot)) != 0) {
                saved |= 1 << i;
            }
        }
        out.putShort((short) saved);
    }

    /** Returns whether that was a FIFO; otherwise what is in this one makes no sense. */
    boolean load(ByteBuffer in) {
        clear();
        int loaded = in.get() & 0xff;
        in.get(bytes);
        marks = in.getShort() & 0xffff;
        if (loaded > DEPTH || (marks >>> loaded) != 0) {
            clear();
            return false;
        }
        count = loaded;
        return true;
    }

    private void setMark(int slot, boolean marked) {
        marks = marked ? marks | (1 << slot) : marks & ~(1 << slot);
    }
}
