package org.vfio4j.block;

import static org.vfio4j.block.BlockBackend.SECTOR_BYTES;

/** What every backend refuses. */
final class Range {

    private Range() {}

    /** Whether the range is whole sectors inside a storage of {@code sizeBytes}. */
    static boolean isLegal(long offset, long length, long sizeBytes) {
        return offset >= 0
                && length >= 0
                && offset <= sizeBytes - length
                && ((offset | length) & SECTOR_BYTES - 1) == 0
                && length <= Integer.MAX_VALUE;
    }

    /** As {@link #isLegal}, for a request that moves no data, whose length has no limit. */
    static boolean isLegalWithoutData(long offset, long length, long sizeBytes) {
        return offset >= 0
                && length >= 0
                && offset <= sizeBytes - length
                && ((offset | length) & SECTOR_BYTES - 1) == 0;
    }
}
