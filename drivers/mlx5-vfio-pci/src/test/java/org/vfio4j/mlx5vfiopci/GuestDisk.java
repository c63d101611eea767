package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.nvme.NvmeQueue;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;
import org.vfio4j.vfio.VfioDeviceFile;

/** A disk as a guest uses it, whichever kind it is: one queue of it. */
interface GuestDisk extends AutoCloseable {

    /** Takes a request's tag and its result, 0 or -errno. */
    interface Completed {
        void complete(int tag, int result);
    }

    long capacityBytes();

    DmaMemory memory();

    boolean read(long offset, long buffer, int length, int tag);

    boolean write(long offset, long buffer, int length, int tag);

    void kick();

    int poll(Completed completed);

    @Override
    void close();

    static GuestDisk virtioBlk(VfioDeviceFile file) {
        VirtioBlkDriver driver = VirtioBlkDriver.open(
                file, VirtioBlkOptions.DEFAULTS.withQueues(1).withQueueSize(64).withInterrupts(false));
        return new Virtio(driver, driver.queue(0));
    }

    static GuestDisk nvme(VfioDeviceFile file, NvmeOptions.Doorbells doorbells) {
        NvmeDriver driver = NvmeDriver.open(
                file,
                NvmeOptions.DEFAULTS
                        .withQueues(1)
                        .withQueueSize(64)
                        .withInterrupts(false)
                        .withDoorbells(doorbells));
        assertThat(driver.doorbells()).isEqualTo(doorbells);
        return new Nvme(driver, driver.queue(0));
    }

    record Virtio(VirtioBlkDriver driver, VirtioBlkQueue queue) implements GuestDisk {

        @Override
        public long capacityBytes() {
            return driver.capacityBytes();
        }

        @Override
        public DmaMemory memory() {
            return driver.memory();
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
        public int poll(Completed completed) {
            return queue.poll(completed::complete);
        }

        @Override
        public void close() {
            driver.close();
        }
    }

    record Nvme(NvmeDriver driver, NvmeQueue queue) implements GuestDisk {

        @Override
        public long capacityBytes() {
            return driver.namespace().capacityBytes();
        }

        @Override
        public DmaMemory memory() {
            return driver.memory();
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
        public int poll(Completed completed) {
            return queue.poll(completed::complete);
        }

        @Override
        public void close() {
            driver.close();
        }
    }
}
