package org.vfio4j.vfio;

import java.util.Collection;
import org.jspecify.annotations.Nullable;

/** The maps of an IO address space at one moment: immutable, sorted by unsigned IOVA, in arrays that a lookup walks quickly. */
final class DmaSnapshot {

    final long generation;
    final long[] iova;
    final long[] sizeBytes;
    final int[] access;

    /** Address in this process of each map's first byte; 0 when it is reached through its backing. */
    final long[] host;

    final @Nullable DmaBacking[] backing;

    DmaSnapshot(long generation, Collection<DmaMap> sorted) {
        int count = sorted.size();
        this.generation = generation;
        iova = new long[count];
        sizeBytes = new long[count];
        access = new int[count];
        host = new long[count];
        backing = new @Nullable DmaBacking[count];
        int i = 0;
        for (DmaMap map : sorted) {
            iova[i] = map.iova();
            sizeBytes[i] = map.sizeBytes();
            access[i] = map.access();
            host[i] = map.mapping().isPresent() ? map.mapping().get().address() : 0;
            backing[i] = map.backing().orElse(null);
            i++;
        }
    }

    /** The index of the map that contains {@code address}, or -1. */
    int find(long address) {
        int low = 0;
        int high = iova.length - 1;
        while (low <= high) {
            int mid = (low + high) >>> 1;
            if (Long.compareUnsigned(iova[mid], address) > 0) {
                high = mid - 1;
            } else if (Long.compareUnsigned(address - iova[mid], sizeBytes[mid]) >= 0) {
                low = mid + 1;
            } else {
                return mid;
            }
        }
        return -1;
    }
}
