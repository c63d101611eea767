package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_MSIX;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_INTX_DISABLE;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_ENABLE;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS_CAP_LIST;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * A controller's registers (NVM Express Base 2.0, 3.1.3 and 3.5): enabling, shutting down. Safe for all threads: queues of different
 * threads may ring through it.
 *
 * <p>Nothing that the controller answers is trusted; each wait for it has an end.
 */
final class NvmeRegisters {

    private static final long PAUSE_NS = 100_000;
    private static final int PAGE_SHIFT = 12;

    /** 64 KiB: a controller that needs larger pages is none that this driver knows. */
    private static final int MAX_MPSMIN = 4;

    /** As many as there is room for: the list may be a ring. */
    private static final int MAX_CAPABILITIES = 48;

    private static final int CAPABILITY_MASK = 0xfc;

    private final VfioDeviceFile file;
    private final long timeoutNs;
    private final MemorySegment word = Arena.ofAuto().allocate(Integer.BYTES, Integer.BYTES);
    private final long cap;

    /** @throws ErrnoException ENODEV when it is no NVMe controller, ENOTSUP for one that this driver cannot use */
    NvmeRegisters(VfioDeviceFile file, long timeoutNs) {
        this.file = file;
        this.timeoutNs = timeoutNs;
        int pciClass = get(VFIO_PCI_CONFIG_REGION_INDEX, PCI_CLASS_REVISION) >>> Byte.SIZE;
        if (pciClass != PCI_CLASS_NVME) {
            throw new ErrnoException(ENODEV, String.format("PCI class %06x is no NVMe controller", pciClass));
        }
        enableDecoding();
        cap = Integer.toUnsignedLong(read32(REG_CAP)) | (long) read32(REG_CAP + Integer.BYTES) << Integer.SIZE;
        check();
    }

    /**
     * Those of a controller that is in use, which are not touched.
     *
     * @param cap its CAP register
     * @throws ErrnoException ENOTSUP or EPROTO for a value that no controller has that this driver can use
     */
    NvmeRegisters(VfioDeviceFile file, long timeoutNs, long cap) {
        this.file = file;
        this.timeoutNs = timeoutNs;
        this.cap = cap;
        check();
    }

    /** What the controller can do (CAP). */
    long cap() {
        return cap;
    }

    private void check() {
        if (cap == -1) {
            throw new ErrnoException(ENODEV, "the NVMe controller does not decode its registers");
        }
        if ((cap & CAP_CSS_NVM) == 0) {
            throw new ErrnoException(
                    ENOTSUP, "the NVMe controller has no NVM command set: CAP 0x" + Long.toHexString(cap));
        }
        if (minPage() > MAX_MPSMIN) {
            throw new ErrnoException(
                    ENOTSUP,
                    "the NVMe controller's least memory page is 2^" + (PAGE_SHIFT + minPage())
                            + " bytes: the limit is 2^" + (PAGE_SHIFT + MAX_MPSMIN));
        }
        if (maxQueueEntries() < 2) {
            throw new ErrnoException(EPROTO, "the NVMe controller's queues have one entry (CAP.MQES 0)");
        }
    }

    /** Entries that a queue can have (CAP.MQES). */
    int maxQueueEntries() {
        return (int) (cap & CAP_MQES_MASK) + 1;
    }

    /** Bytes of a memory page as PRPs know it: the least that the controller takes. */
    int pageBytes() {
        return 1 << (PAGE_SHIFT + minPage());
    }

    /** Where a queue's doorbell is, counted from the first one. */
    long doorbellAt(int queue, boolean completion) {
        int stride = Integer.BYTES << (int) (cap >>> CAP_DSTRD_SHIFT & CAP_FOUR_BITS);
        return (2L * queue + (completion ? 1 : 0)) * stride;
    }

    /**
     * Stops the controller and starts it with an admin queue pair.
     *
     * @param entries of both admin queues
     * @throws ErrnoException ETIMEDOUT; EIO when it says that it has failed
     */
    void enable(int entries, long submissionIova, long completionIova) {
        write32(REG_AQA, (entries - 1) << Short.SIZE | (entries - 1));
        write64(REG_ASQ, submissionIova);
        write64(REG_ACQ, completionIova);
        int enabled = CC_EN
                | minPage() << CC_MPS_SHIFT
                | SQE_SIZE_SHIFT << CC_IOSQES_SHIFT
                | CQE_SIZE_SHIFT << CC_IOCQES_SHIFT;
        write32(REG_CC, enabled);
        await("start", CSTS_RDY, CSTS_RDY, true);
    }

    /** Stops the controller: it forgets all queues. */
    void disable() {
        write32(REG_CC, read32(REG_CC) & ~CC_EN);
        await("stop", CSTS_RDY, 0, false);
    }

    /** Lets the controller make everything stable (Base 3.6.1). */
    void shutDown() {
        int cc = read32(REG_CC);
        if ((cc & CC_EN) != 0 && (read32(REG_CSTS) & CSTS_CFS) == 0) {
            write32(REG_CC, cc | CC_SHN_NORMAL);
            await("shut down", CSTS_SHST_MASK, CSTS_SHST_COMPLETE, true);
        }
    }

    /**
     * Asks the controller how it is.
     *
     * @throws ErrnoException EIO when it has failed or was stopped
     */
    void checkReady() {
        int status = read32(REG_CSTS);
        if (status == -1 || (status & (CSTS_CFS | CSTS_RDY)) != CSTS_RDY) {
            throw new ErrnoException(EIO, String.format("the NVMe controller has stopped: CSTS 0x%08x", status));
        }
    }

    /** Lets the controller do DMA; it has no use for INTx. */
    void allowDma() {
        setCommand(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 0);
    }

    /** Keeps it from doing any more DMA. */
    void denyDma() {
        setCommand(0, PCI_COMMAND_MASTER);
    }

    /**
     * Sets or clears MSI-X Enable, which some servers want beside {@code VFIO_DEVICE_SET_IRQS}, as if there were a bus between.
     * Does nothing for a function without the capability.
     */
    void enableMsix(boolean enabled) {
        boolean listed = (get(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND) >>> Short.SIZE & PCI_STATUS_CAP_LIST) != 0;
        int at = listed ? get(VFIO_PCI_CONFIG_REGION_INDEX, PCI_CAPABILITY_LIST) & CAPABILITY_MASK : 0;
        for (int i = 0; i < MAX_CAPABILITIES && at != 0; i++) {
            int header = get(VFIO_PCI_CONFIG_REGION_INDEX, at);
            if ((header & 0xff) == PCI_CAP_ID_MSIX) {
                int control = header >>> Short.SIZE & ~PCI_MSIX_FLAGS_ENABLE;
                int wanted = enabled ? control | PCI_MSIX_FLAGS_ENABLE : control;
                set(VFIO_PCI_CONFIG_REGION_INDEX, at + PCI_MSIX_FLAGS, Short.BYTES, wanted);
                return;
            }
            at = header >>> Byte.SIZE & CAPABILITY_MASK;
        }
    }

    int read32(long offset) {
        return get(BAR0, offset);
    }

    /** Allocates nothing. */
    void write32(long offset, int value) {
        set(BAR0, offset, Integer.BYTES, value);
    }

    /** In two halves, since not every controller takes 8 bytes at once; the lower one first (Base 3.1.3). */
    private void write64(long offset, long value) {
        write32(offset, (int) value);
        write32(offset + Integer.BYTES, (int) (value >>> Integer.SIZE));
    }

    private int minPage() {
        return (int) (cap >>> CAP_MPSMIN_SHIFT & CAP_FOUR_BITS);
    }

    /** @param failureMatters whether Controller Fatal Status ends the wait */
    private void await(String what, int mask, int wanted, boolean failureMatters) {
        long start = System.nanoTime();
        while (true) {
            int status = read32(REG_CSTS);
            if (status == -1 || (failureMatters && (status & CSTS_CFS) != 0)) {
                throw new ErrnoException(EIO, String.format("NVMe controller %s: CSTS 0x%08x", what, status));
            }
            if ((status & mask) == wanted) {
                return;
            }
            if (System.nanoTime() - start > timeoutNs) {
                throw new ErrnoException(
                        ETIMEDOUT,
                        String.format(
                                "NVMe controller %s: CSTS still 0x%08x after %d ms",
                                what, status, timeoutNs / 1_000_000));
            }
            LockSupport.parkNanos(PAUSE_NS);
        }
    }

    private void enableDecoding() {
        setCommand(PCI_COMMAND_MEMORY, 0);
    }

    private void setCommand(int set, int cleared) {
        int command = get(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND) & 0xffff;
        set(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, Short.BYTES, (command & ~cleared) | set);
    }

    private synchronized int get(int region, long offset) {
        word.set(ValueLayout.JAVA_INT, 0, 0);
        file.read(region, offset, word, 0, Integer.BYTES);
        return word.get(ValueLayout.JAVA_INT, 0);
    }

    private synchronized void set(int region, long offset, int width, int value) {
        word.set(ValueLayout.JAVA_INT, 0, value);
        file.write(region, offset, word, 0, width);
    }
}
