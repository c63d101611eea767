package org.vfio4j.vfiouser;

/**
 * One of the writes of a batch ({@link VfioUserClient#writeAll}).
 *
 * @param region index of the region
 * @param offset of the register in it
 * @param width bytes, 1 to 8
 * @param value its low bytes are written, in little-endian order
 */
public record RegionWrite(int region, long offset, int width, long value) {

    public RegionWrite {
        if (width < 1 || width > Long.BYTES) {
            throw new IllegalArgumentException("a write of " + width + " bytes: 1 to " + Long.BYTES);
        }
    }
}
