package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import org.vfio4j.sys.RawMemory;

/**
 * The admin command at hand: a copy of its submission queue entry, which the driver cannot change any more, its data, and DW0 of its
 * completion. One object for all of them, of the queue thread.
 */
final class AdminCommand {

    private final long entry;
    private final long data;
    private int result;

    /**
     * @param entry where the 64 bytes of the copy are
     * @param data where {@link NvmeLimits#MAX_TRANSFER_BYTES} of data are
     */
    AdminCommand(long entry, long data) {
        this.entry = entry;
        this.data = data;
    }

    int opcode() {
        return RawMemory.getByte(entry) & 0xff;
    }

    int cid() {
        return RawMemory.getInt(entry) >>> CID_SHIFT;
    }

    int fuse() {
        return (RawMemory.getInt(entry) >>> FUSE_SHIFT) & FUSE_MASK;
    }

    int psdt() {
        return (RawMemory.getInt(entry) >>> PSDT_SHIFT) & PSDT_MASK;
    }

    int nsid() {
        return RawMemory.getInt(entry + SQE_NSID);
    }

    long prp1() {
        return RawMemory.getLong(entry + SQE_PRP1);
    }

    long prp2() {
        return RawMemory.getLong(entry + SQE_PRP2);
    }

    int cdw10() {
        return dword(0);
    }

    int cdw11() {
        return dword(1);
    }

    int cdw12() {
        return dword(2);
    }

    int cdw13() {
        return dword(3);
    }

    int cdw14() {
        return dword(4);
    }

    int cdw15() {
        return dword(5);
    }

    /**
     * The address of its data, for {@code RawMemory}: what came from the driver, or where what goes to it is written; as many bytes
     * as {@link AdminHandler#dataBytes} said, zeroes at first for those that go to the driver.
     */
    long data() {
        return data;
    }

    /** DW0 of the completion, 0 until it is set. */
    int result() {
        return result;
    }

    void setResult(int dw0) {
        result = dw0;
    }

    private int dword(int i) {
        return RawMemory.getInt(entry + SQE_CDW10 + 4L * i);
    }
}
