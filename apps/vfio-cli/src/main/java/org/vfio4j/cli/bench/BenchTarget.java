package org.vfio4j.cli.bench;

import java.util.Locale;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/**
 * An open device and the driver of its kind.
 *
 * @param file closed after {@code disk}
 * @param description what the disk is, and how it is driven
 * @param serverPid the server's process, 0 when it has none or it is unknown
 */
record BenchTarget(VfioDeviceFile file, DiskDriver disk, String description, int serverPid) implements AutoCloseable {

    /** The kinds of disks that can be measured, with the names that {@code vfio serve} has for them. */
    enum Kind {
        VIRTIO_BLK("virtio-blk", "vfio serve virtio-blk memory=512M"),
        NVME("nvme", "vfio serve nvme memory=512M");

        private final String word;
        private final String example;

        Kind(String word, String example) {
            this.word = word;
            this.example = example;
        }

        /** How a server of it is started, without its socket. */
        String example() {
            return example;
        }

        /** The one that it is not. */
        Kind other() {
            return this == VIRTIO_BLK ? NVME : VIRTIO_BLK;
        }

        @Override
        public String toString() {
            return word;
        }
    }

    /** How an NVMe controller's doorbells are rung. */
    enum Doorbells {
        MAPPED(NvmeOptions.Doorbells.MAPPED_UNSEALED),
        WRITTEN(NvmeOptions.Doorbells.WRITTEN),
        SHADOW(NvmeOptions.Doorbells.SHADOW);

        private final NvmeOptions.Doorbells how;

        Doorbells(NvmeOptions.Doorbells how) {
            this.how = how;
        }
    }

    /**
     * What the drivers are told.
     *
     * @param queues how many
     * @param depth the most requests in flight on each
     * @param bufferBytes for their data
     */
    record Needs(int queues, int depth, long bufferBytes, boolean interrupts, Doorbells doorbells) {}

    static BenchTarget open(Kind kind, BenchPlace place, Needs needs) {
        // As a guest does: nobody waits for the answer to a doorbell.
        BenchPlace.Opened opened = place.open(VfioUserClientOptions.DEFAULTS.withPostedWrites(true));
        VfioDeviceFile file = opened.file();
        try {
            return switch (kind) {
                case VIRTIO_BLK -> {
                    VirtioBlkDriver driver = VirtioBlkDriver.open(file, virtioBlk(needs));
                    yield new BenchTarget(file, driver, describe(driver), opened.serverPid());
                }
                case NVME -> {
                    NvmeDriver driver = NvmeDriver.open(file, nvme(needs));
                    yield new BenchTarget(file, driver, describe(driver), opened.serverPid());
                }
            };
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    @Override
    public void close() {
        try {
            disk.close();
        } finally {
            file.close();
        }
    }

    private static String describe(VirtioBlkDriver driver) {
        String serial = driver.serial().isEmpty() ? "" : " " + driver.serial();
        return "virtio-blk" + serial + ", " + Sizes.format(driver.capacityBytes());
    }

    private static String describe(NvmeDriver driver) {
        NvmeOptions.Doorbells doorbells = driver.doorbells();
        String how = doorbells == NvmeOptions.Doorbells.MAPPED_UNSEALED
                ? "mapped"
                : doorbells.name().toLowerCase(Locale.ROOT);
        return driver.info().modelNumber() + " " + driver.info().firmwareRevision() + ", "
                + Sizes.format(driver.capacityBytes()) + " in blocks of " + driver.sectorBytes() + ", doorbells " + how;
    }

    private static VirtioBlkOptions virtioBlk(Needs needs) {
        return VirtioBlkOptions.DEFAULTS
                .withQueues(needs.queues())
                .withQueueSize(queueSize(needs.depth(), VirtioBlkOptions.DEFAULTS.queueSize()))
                .withBufferBytes(needs.bufferBytes())
                .withInterrupts(needs.interrupts());
    }

    private static NvmeOptions nvme(Needs needs) {
        return NvmeOptions.DEFAULTS
                .withQueues(needs.queues())
                .withQueueSize(queueSize(needs.depth() + 1, NvmeOptions.DEFAULTS.queueSize()))
                .withBufferBytes(needs.bufferBytes())
                .withInterrupts(needs.interrupts())
                .withDoorbells(needs.doorbells().how);
    }

    private static int queueSize(int entries, int least) {
        return Math.max(least, Integer.highestOneBit(2 * entries - 1));
    }
}
