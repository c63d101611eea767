package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.Arrays;
import java.util.Comparator;
import org.vfio4j.sys.ErrnoException;

/**
 * The trapped ranges of a device. Any thread sets and removes; an access looks at one snapshot, without a lock. An access to a
 * region that has no trap pays for two loads and a comparison.
 */
final class Traps {

    private static final VfioPciTrap[] NONE = {};

    /** Of each region the traps by ascending offset; replaced as a whole, shorter than a region's index when that has none. */
    private volatile VfioPciTrap[][] byRegion = {};

    /** The region's traps by ascending offset, for nobody to change. */
    VfioPciTrap[] of(int region) {
        VfioPciTrap[][] snapshot = byRegion;
        return region < snapshot.length ? snapshot[region] : NONE;
    }

    boolean covers(int region, long offset) {
        return Arrays.stream(of(region)).anyMatch(trap -> trap.offset() <= offset && offset < trap.end());
    }

    /**
     * Sets a trap.
     *
     * @param regionSizeBytes how long the region is
     * @throws ErrnoException EINVAL for a range that is empty or leaves the region, EEXIST for one that is trapped already
     */
    synchronized VfioPciTrap add(
            int region, long regionSizeBytes, long offset, long sizeBytes, VfioPciTrapHandler handler) {
        String what = "trap 0x" + Long.toHexString(sizeBytes) + " bytes at 0x" + Long.toHexString(offset)
                + " of region " + region;
        if (offset < 0 || sizeBytes <= 0 || sizeBytes > regionSizeBytes || offset > regionSizeBytes - sizeBytes) {
            throw new ErrnoException(EINVAL, what + ", size 0x" + Long.toHexString(regionSizeBytes));
        }
        VfioPciTrap added = new VfioPciTrap(this, region, offset, sizeBytes, handler);
        for (VfioPciTrap other : of(region)) {
            if (other.offset() < added.end() && offset < other.end()) {
                throw new ErrnoException(EEXIST, what + ", where another trap is");
            }
        }
        VfioPciTrap[] old = of(region);
        VfioPciTrap[] changed = Arrays.copyOf(old, old.length + 1);
        changed[old.length] = added;
        Arrays.sort(changed, Comparator.comparingLong(VfioPciTrap::offset));
        replace(region, changed);
        return added;
    }

    synchronized void remove(VfioPciTrap trap) {
        int region = trap.region();
        replace(region, Arrays.stream(of(region)).filter(other -> other != trap).toArray(VfioPciTrap[]::new));
    }

    private void replace(int region, VfioPciTrap[] changed) {
        VfioPciTrap[][] old = byRegion;
        VfioPciTrap[][] copy = Arrays.copyOf(old, Math.max(old.length, region + 1));
        Arrays.fill(copy, old.length, copy.length, NONE);
        copy[region] = changed;
        byRegion = copy;
    }

    /** The first trap that ends behind {@code offset}: it covers the offset or comes next. Its index, or how many there are. */
    static int firstBehind(VfioPciTrap[] traps, long offset) {
        int i = 0;
        while (i < traps.length && traps[i].end() <= offset) {
            i++;
        }
        return i;
    }
}
