package org.vfio4j.cli;

import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;

/** A virtio disk. */
record VirtioBlkBenchDisk(VirtioBlkDriver driver) implements BenchDisk {

    private static final int SECTOR = 512;

    @Override
    public String describe() {
        String serial = driver.serial().isEmpty() ? "" : " " + driver.serial();
        return "virtio-blk" + serial + ", " + Sizes.format(capacityBytes());
    }

    @Override
    public long capacityBytes() {
        return driver.capacityBytes();
    }

    @Override
    public int blockSize() {
        return SECTOR;
    }

    @Override
    public int maxTransferBytes() {
        return driver.info().maxTransferBytes();
    }

    @Override
    public boolean readOnly() {
        return driver.readOnly();
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

    private record Requests(VirtioBlkQueue queue) implements Queue {
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
