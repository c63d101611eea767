package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import org.vfio4j.sys.RawMemory;

/** The I/O command at hand: each field was read from its submission queue entry once. One object for all of them. */
final class IoCommand {

    int opcode;
    int fuse;
    int psdt;
    int cid;
    int nsid;

    /** The data pointer, PRP1 and PRP2 or an SGL descriptor. */
    long dptr0;

    long dptr1;

    int cdw10;
    int cdw11;
    int cdw12;

    /** @param entry where the 64 bytes are; the driver may change them meanwhile, for its own confusion only */
    void load(long entry) {
        long first = RawMemory.getLong(entry);
        opcode = (int) first & 0xff;
        fuse = ((int) first >>> FUSE_SHIFT) & FUSE_MASK;
        psdt = ((int) first >>> PSDT_SHIFT) & PSDT_MASK;
        cid = (int) first >>> CID_SHIFT;
        nsid = (int) (first >>> Integer.SIZE);
        dptr0 = RawMemory.getLong(entry + SQE_PRP1);
        dptr1 = RawMemory.getLong(entry + SQE_PRP2);
        long tenth = RawMemory.getLong(entry + SQE_CDW10);
        cdw10 = (int) tenth;
        cdw11 = (int) (tenth >>> Integer.SIZE);
        cdw12 = RawMemory.getInt(entry + SQE_CDW10 + 8);
    }

    /** The first logical block, of commands that have one: unsigned. */
    long slba() {
        return Integer.toUnsignedLong(cdw10) | ((long) cdw11 << Integer.SIZE);
    }

    /** How many logical blocks: 1 to 65536. */
    int blocks() {
        return (cdw12 & CDW12_NLB_MASK) + 1;
    }
}
