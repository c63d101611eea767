package org.vfio4j.vfiopcicore;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * A region that a driver or an extension adds to a device: {@code struct vfio_pci_regops}. VFIO has checked that a range lies
 * inside the region and that the region's flags allow the access. The user's thread calls.
 */
public interface VfioPciRegionOps {

    /**
     * Reads {@code count} bytes into {@code buffer} from byte {@code at} on.
     *
     * @param offset counted from the region's first byte; of any alignment
     * @throws ErrnoException whose errno goes to the user, EINVAL for what cannot be read
     */
    void read(long offset, MemorySegment buffer, long at, int count);

    /** Writes {@code count} bytes of {@code buffer}, from byte {@code at} on; otherwise as {@link #read}. */
    void write(long offset, MemorySegment buffer, long at, int count);

    /** Memory behind the region, for one that has {@code VFIO_REGION_INFO_FLAG_MMAP}. It stays the region's. */
    default Optional<VfioRegionMemory> memory() {
        return Optional.empty();
    }

    /** What the region says of itself behind its TYPE, which the core adds; asked anew for each region info. */
    default List<VfioInfoCapability> capabilities() {
        return List.of();
    }

    /**
     * The region is gone: nobody calls any more, and what stands behind it, its {@link #memory} included, is to be let go. Called
     * once: when the device is closed, for a region that was registered while it was open; otherwise by
     * {@link VfioPciCore#release}.
     */
    default void release() {}
}
