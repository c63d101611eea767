package org.vfio4j.virtioblk;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.virtio.VirtioDevice;
import org.vfio4j.virtio.VirtioPciFunction;
import org.vfio4j.virtio.VirtioRequests;

/**
 * A disk: virtio block device (Virtual I/O Device 1.2, 5.2) on PCI, on top of some storage. {@link #function} is what a bus
 * takes; it is called by one thread at a time.
 */
public final class VirtioBlk implements AutoCloseable {

    /** The most queues: as many as MSI-X leaves sense in, one for each processor of a large guest. */
    public static final int MAX_QUEUES = 256;

    /** The largest queue. */
    public static final int MAX_QUEUE_SIZE = 1024;

    private static final int CLASS_STORAGE_SCSI = 0x010000;

    private final BlkTally tally = new BlkTally();
    private final VirtioPciFunction transport;

    private VirtioBlk(Builder parts) {
        BlkRules rules = new BlkRules(parts.backend, parts.readOnly || parts.backend.readOnly(), parts.queueSize);
        BlkConfig config = new BlkConfig(parts.backend, rules, parts.queues, parts.queueSize);
        BlkDisk disk = new BlkDisk(parts.backend, rules, config, parts.serial, parts.queueSize, tally);
        transport = new VirtioPciFunction(new Device(disk, parts), parts.polling);
    }

    /** @param backend where the bytes are; the caller closes it, after the disk */
    public static Builder builder(BlockBackend backend) {
        return new Builder(backend);
    }

    /** The disk as hardware. */
    public PciFunction function() {
        return transport.function();
    }

    /** What it has done so far. */
    public BlkCounters counters() {
        return new BlkCounters(
                tally.reads,
                tally.writes,
                tally.flushes,
                tally.discards,
                tally.readBytes,
                tally.writtenBytes,
                tally.errors,
                tally.slow,
                transport.notificationCount(),
                transport.interruptCount(),
                transport.faultCount());
    }

    /** Whether it has a thread now. */
    public boolean isBusy() {
        return transport.isBusy();
    }

    /** Completes what is in flight and ends the thread. The function must not be used any more. */
    @Override
    public void close() {
        transport.close();
    }

    /** The choices that a disk leaves. */
    public static final class Builder {

        private final BlockBackend backend;
        private String name = "virtio-blk";
        private byte[] serial = new byte[VirtioBlkSpec.VIRTIO_BLK_ID_BYTES];
        private int queues = 1;
        private int queueSize = 256;
        private boolean readOnly;
        private QueuePolling polling = QueuePolling.ADAPTIVE;

        private Builder(BlockBackend backend) {
            this.backend = backend;
        }

        /** What its thread and its log lines are called. */
        public Builder name(String name) {
            this.name = name;
            return this;
        }

        /**
         * What the driver's GET_ID request gets.
         *
         * @throws IllegalArgumentException for more than 20 characters, or others than ASCII
         */
        public Builder serial(String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            if (bytes.length > VirtioBlkSpec.VIRTIO_BLK_ID_BYTES || bytes.length != text.length()) {
                throw new IllegalArgumentException("serial '" + text + "': the limit is "
                        + VirtioBlkSpec.VIRTIO_BLK_ID_BYTES + " ASCII characters");
            }
            serial = Arrays.copyOf(bytes, VirtioBlkSpec.VIRTIO_BLK_ID_BYTES);
            return this;
        }

        /** @throws IllegalArgumentException when it is not 1 to {@link #MAX_QUEUES} */
        public Builder queues(int count) {
            if (count < 1 || count > MAX_QUEUES) {
                throw new IllegalArgumentException(count + " queues: the limits are 1 and " + MAX_QUEUES);
            }
            queues = count;
            return this;
        }

        /** @throws IllegalArgumentException when it is no power of two from 4 to {@link #MAX_QUEUE_SIZE} */
        public Builder queueSize(int entries) {
            if (entries < 4 || entries > MAX_QUEUE_SIZE || Integer.bitCount(entries) != 1) {
                throw new IllegalArgumentException(
                        "queue size " + entries + ": no power of two from 4 to " + MAX_QUEUE_SIZE);
            }
            queueSize = entries;
            return this;
        }

        /** The driver may not write, even where the storage could. */
        public Builder readOnly() {
            readOnly = true;
            return this;
        }

        public Builder poll(QueuePolling polling) {
            this.polling = polling;
            return this;
        }

        public VirtioBlk build() {
            return new VirtioBlk(this);
        }
    }

    /** The disk as the transport sees it. */
    private static final class Device implements VirtioDevice {

        private final BlkDisk disk;
        private final BlkRequests requests;
        private final String name;
        private final int queues;
        private final int queueSize;

        Device(BlkDisk disk, Builder parts) {
            this.disk = disk;
            requests = new BlkRequests(disk);
            name = parts.name;
            queues = parts.queues;
            queueSize = parts.queueSize;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public int virtioId() {
            return VirtioBlkSpec.VIRTIO_ID_BLOCK;
        }

        @Override
        public int classCode() {
            return CLASS_STORAGE_SCSI;
        }

        @Override
        public long features() {
            return disk.config().features();
        }

        @Override
        public int queueCount() {
            return queues;
        }

        @Override
        public int maxQueueSize() {
            return queueSize;
        }

        @Override
        public BarHandler config() {
            return disk.config().registers();
        }

        @Override
        public void negotiated(long features) {
            disk.config().negotiated(features);
        }

        @Override
        public byte[] saveState() {
            return disk.config().saveState();
        }

        @Override
        public Runnable loadState(byte[] state) {
            return disk.config().loadState(state);
        }

        @Override
        public VirtioRequests requests() {
            return requests;
        }
    }
}
