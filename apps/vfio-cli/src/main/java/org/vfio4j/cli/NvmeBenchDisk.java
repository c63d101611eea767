package org.vfio4j.cli;

import java.util.Locale;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.nvme.NvmeQueue;

/** An NVMe namespace. */
record NvmeBenchDisk(NvmeDriver driver) implements BenchDisk {

    @Override
    public String describe() {
        NvmeOptions.Doorbells doorbells = driver.doorbells();
        String how = doorbells == NvmeOptions.Doorbells.MAPPED_UNSEALED
                ? "mapped"
                : doorbells.name().toLowerCase(Locale.ROOT);
        return driver.info().modelNumber() + " " + driver.info().firmwareRevision() + ", "
                + Sizes.format(capacityBytes()) + " in blocks of " + blockSize() + ", doorbells " + how;
    }

    @Override
    public long capacityBytes() {
        return driver.namespace().capacityBytes();
    }

    @Override
    public int blockSize() {
        return driver.namespace().blockSize();
    }

    @Override
    public int maxTransferBytes() {
        return driver.namespace().maxTransferBytes();
    }

    @Override
    public boolean readOnly() {
        return driver.namespace().readOnly();
    }

    @Override
    public int queueCount() {
        return driver.queueCount();
    }

    @Override
    public Queue queue(int index) {
        return new Requests(driver.queue(index));
    }

    @Override
    public DmaMemory memory() {
        return driver.memory();
    }

    @Override
    public void check() {
        driver.check();
    }

    @Override
    public void close() {
        driver.close();
    }

    private record Requests(NvmeQueue queue) implements Queue {
        @Override
        public int depth() {
            return queue.depth();
        }

        @Override
        public int inFlight() {
            return queue.inFlight();
        }

        @Override
        public boolean read(long offset, long buffer, int length, int tag) {
            return queue.read(offset, buffer, length, tag);
        }

        @Override
        public boolean write(long offset, long buffer, int length, int tag) {
            return queue.write(offset, buffer, length, tag);
        }

        @Override
        public void kick() {
            queue.kick();
        }

        @Override
        public int poll(BenchCompletion handler) {
            return queue.poll(handler);
        }

        @Override
        public boolean hasCompletions() {
            return queue.hasCompletions();
        }

        @Override
        public boolean await(long timeoutNs) {
            return queue.await(timeoutNs);
        }
    }
}
