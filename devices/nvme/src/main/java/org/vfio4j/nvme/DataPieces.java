package org.vfio4j.nvme;

import java.util.Arrays;

/** Where a command's data are in the driver's memory, in order; neighbours are one piece. One object for all commands. */
final class DataPieces {

    /** The most that there can be: an SGL of more, all apart, is refused. */
    static final int MAX = 4096;

    private long[] iova = new long[256];
    private int[] length = new int[256];
    private int count;

    void clear() {
        count = 0;
    }

    int count() {
        return count;
    }

    long iova(int i) {
        return iova[i];
    }

    int length(int i) {
        return length[i];
    }

    /** Returns false when there are too many. */
    boolean add(long at, int bytes) {
        int last = count - 1;
        if (last >= 0 && iova[last] + length[last] == at) {
            length[last] += bytes;
            return true;
        }
        if (count == iova.length && !grow()) {
            return false;
        }
        iova[count] = at;
        length[count] = bytes;
        count++;
        return true;
    }

    private boolean grow() {
        if (count == MAX) {
            return false;
        }
        iova = Arrays.copyOf(iova, 2 * count);
        length = Arrays.copyOf(length, 2 * count);
        return true;
    }
}
