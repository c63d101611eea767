package org.vfio4j.devicemodel;

/** What stands behind a BAR or a part of one. Called by the thread that accesses the function; never blocks. */
public interface BarHandler {

    /**
     * @param offset a multiple of {@code width}
     * @param width 1, 2, 4 or 8
     * @return the value, zero-extended; zero where nothing is
     */
    long read(long offset, int width);

    /** Writes the low {@code width} bytes of {@code value}; otherwise as {@link #read}. */
    void write(long offset, int width, long value);
}
