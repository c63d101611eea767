package org.vfio4j.vfiopcix86;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/**
 * The machine's memory, as far as the firmware keeps tables of an integrated graphics function in it: what
 * {@link org.vfio4j.bus.PciFunction#platform} says of such a function.
 */
public interface IgdMemory {

    /**
     * Memory at a physical address, as it is now and as the firmware changes it. It stays the platform's, and is good for as long
     * as the function exists. Any thread reads it.
     *
     * @throws ErrnoException ENOMEM when the firmware has nothing there
     */
    MemorySegment at(long physicalAddress, long sizeBytes);
}
