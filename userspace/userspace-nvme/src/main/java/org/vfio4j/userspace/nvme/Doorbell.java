package org.vfio4j.userspace.nvme;

import org.vfio4j.sys.RawMemory;

/**
 * Tells the controller how far one of its queues has got: a submission queue's tail or a completion queue's head (NVMe over PCIe
 * Transport 1.0, 3.1.2). Belongs to the queue's thread, allocates nothing.
 */
sealed interface Doorbell {

    /**
     * Rings. Everything stored before is visible to the controller when it sees {@code value}.
     *
     * @param before the value of the last ring
     */
    void ring(int value, int before);

    /** Where the register itself is rung, by a region write. */
    record Written(NvmeRegisters registers, long offset) implements Doorbell {
        @Override
        public void ring(int value, int before) {
            // For the memory that the server shares: the write below is a system call, which orders nothing by itself.
            RawMemory.fullFence();
            registers.write32(offset, value);
        }
    }

    /** @param address of the register, in the controller's page that this process has mapped */
    record Mapped(long address) implements Doorbell {
        @Override
        public void ring(int value, int before) {
            RawMemory.putIntRelease(address, value);
        }
    }

    /**
     * The register's place in the shadow doorbell buffer, and the one in the EventIdx buffer, where the controller says from which
     * value on it wants the register itself rung (Base 2.0, 5.8, and annex B.5).
     */
    record Shadow(long address, long eventIndexAddress, Written register) implements Doorbell {
        @Override
        public void ring(int value, int before) {
            RawMemory.putIntRelease(address, value);
            // The controller stores its wish and then loads our value; we store our value and then load its wish.
            RawMemory.fullFence();
            int event = RawMemory.getIntAcquire(eventIndexAddress);
            if (((value - event - 1) & 0xffff) < ((value - before) & 0xffff)) {
                register.ring(value, before);
            }
        }
    }
}
