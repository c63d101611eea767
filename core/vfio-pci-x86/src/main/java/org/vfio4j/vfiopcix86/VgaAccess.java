package org.vfio4j.vfiopcix86;

/**
 * The legacy VGA memory and ports of a function, which no BAR decodes: what the platform routes to it. A function of VGA's class
 * has it by {@link org.vfio4j.bus.PciFunction#platform} where it can be reached. The function's user's thread calls; neither method
 * blocks.
 */
public interface VgaAccess {

    /**
     * Reads memory or a port.
     *
     * @param address a multiple of {@code width}: memory from 0xa0000 to 0xbffff, a port from 0x3b0 to 0x3bb or 0x3c0 to 0x3df
     * @param width 1, 2 or 4
     * @return the value, zero-extended
     */
    int read(int address, int width);

    /** Writes memory or a port; otherwise as {@link #read}. */
    void write(int address, int width, int value);
}
