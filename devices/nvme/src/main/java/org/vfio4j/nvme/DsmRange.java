package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.DSM_RANGE_BLOCKS;
import static org.vfio4j.nvme.NvmeSpec.DSM_RANGE_SLBA;

import org.vfio4j.sys.RawMemory;

/** A range of Dataset Management at an address (NVM Command Set 1.0, figure 37). */
final class DsmRange {

    private DsmRange() {}

    static long slba(long address) {
        return RawMemory.getLong(address + DSM_RANGE_SLBA);
    }

    static long blocks(long address) {
        return Integer.toUnsignedLong(RawMemory.getInt(address + DSM_RANGE_BLOCKS));
    }
}
