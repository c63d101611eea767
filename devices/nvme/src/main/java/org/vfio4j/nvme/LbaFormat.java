package org.vfio4j.nvme;

/** The LBA formats of every namespace (NVM Command Set figure 98), without metadata. The index is what Format NVM says. */
final class LbaFormat {

    /** LBADS of each: a power of two, in bytes. */
    private static final int[] SHIFTS = {9, 12};

    /** RP of each: worse than the best, the best. */
    private static final int[] RELATIVE_PERFORMANCE = {1, 0};

    private LbaFormat() {}

    static int count() {
        return SHIFTS.length;
    }

    static int shift(int index) {
        return SHIFTS[index];
    }

    /** Bits 31:0 of the format as in Identify Namespace: MS 15:0, LBADS 23:16, RP 25:24. */
    static int describe(int index) {
        return (RELATIVE_PERFORMANCE[index] << 24) | (SHIFTS[index] << 16);
    }

    /** The format with blocks of so many bytes, or -1. */
    static int indexOf(int blockBytes) {
        for (int i = 0; i < SHIFTS.length; i++) {
            if (blockBytes == 1 << SHIFTS[i]) {
                return i;
            }
        }
        return -1;
    }
}
