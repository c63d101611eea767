package org.vfio4j.virtioblk;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.sys.Cpus;
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

    private final BlockBackend backend;
    private final DeviceLimits limits = new DeviceLimits();
    private final List<BlkTally> tallies;
    private final VirtioPciFunction transport;

    private VirtioBlk(Builder parts) {
        if (parts.threads > parts.queues) {
            throw new IllegalArgumentException(parts.threads + " threads for " + parts.queues + " queues");
        }
        parts.cpus.checkAllowed();
        backend = parts.backend;
        limits.set(parts.requestsPerSecond, parts.bytesPerSecond);
        tallies = Stream.generate(BlkTally::new).limit(parts.threads).toList();
        BlkRules rules = new BlkRules(backend, parts.readOnly || backend.readOnly(), parts.queueSize);
        BlkConfig config = new BlkConfig(backend, rules, parts.queues, parts.queueSize);
        List<VirtioRequests> sides = new ArrayList<>();
        for (BlkTally tally : tallies) {
            sides.add(
                    new BlkRequests(new BlkDisk(backend, rules, config, parts.serial, parts.queueSize, limits, tally)));
        }
        transport = new VirtioPciFunction(new Device(config, parts, sides.iterator()), parts.polling, parts.sriov);
    }

    /** @param backend where the bytes are; the caller closes it, after the disk */
    public static Builder builder(BlockBackend backend) {
        return new Builder(backend);
    }

    /** The disk as hardware. */
    public PciFunction function() {
        return transport.function();
    }

    /** What it has done so far, of all queues together. */
    public BlkCounters counters() {
        return BlkCounters.of(
                QueueSnapshot.sum(transport.statistics().queues()), sum(tally -> tally.slow), transport.faultCount());
    }

    private long sum(ToLongFunction<BlkTally> number) {
        return tallies.stream().mapToLong(number).sum();
    }

    /**
     * Other limits from now on, over all queues and threads: see {@link DeviceLimits}. From any thread, while it works.
     *
     * @param requestsPerSecond of any kind; 0 for no limit
     * @param bytesPerSecond read or written; 0 for no limit
     * @throws org.vfio4j.sys.ErrnoException EINVAL for less than 0
     */
    public void setLimits(long requestsPerSecond, long bytesPerSecond) {
        limits.set(requestsPerSecond, bytesPerSecond);
        transport.wake();
    }

    /** Its limits as they are now, to look at: they are changed by {@link #setLimits}. */
    public DeviceLimits limits() {
        return limits;
    }

    /**
     * Makes the disk larger while it is used, and tells the driver (5.2.4, 5.2.5.2 capacity). From any thread.
     *
     * @param sizeBytes a multiple of {@link BlockBackend#SECTOR_BYTES}, no less than now
     * @throws org.vfio4j.sys.ErrnoException as {@link BlockBackend#grow}
     */
    public void resize(long sizeBytes) {
        transport.changeConfig(() -> backend.grow(sizeBytes));
    }

    /** Whether it has a thread now. */
    public boolean isBusy() {
        return transport.isBusy();
    }

    /** Completes what is in flight and ends its threads. The function must not be used any more. */
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
        private int threads = 1;
        private Cpus cpus = Cpus.ANY;
        private long requestsPerSecond;
        private long bytesPerSecond;
        private QueuePolling polling = QueuePolling.ADAPTIVE;
        private long slowNs = DeviceRecorder.DEFAULT_SLOW_NS;
        private SriovRole sriov = SriovRole.NONE;

        private Builder(BlockBackend backend) {
            this.backend = backend;
        }

        /** What its threads and its log lines are called. */
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

        /** How long a request may take before it counts as slow; {@link Long#MAX_VALUE} for without end. */
        public Builder slowNs(long limit) {
            slowNs = limit;
            return this;
        }

        /** How many threads serve the queues, no more than there are queues: queue i is thread i modulo that. */
        public Builder threads(int count) {
            if (count < 1 || count > MAX_QUEUES) {
                throw new IllegalArgumentException(count + " threads: the limits are 1 and " + MAX_QUEUES);
            }
            threads = count;
            return this;
        }

        /** Where its threads run: the first on the first of these, and so on in turn. */
        public Builder cpus(Cpus cpus) {
            this.cpus = cpus;
            return this;
        }

        /** What it begins with of {@link VirtioBlk#setLimits}. */
        public Builder limits(long requestsPerSecond, long bytesPerSecond) {
            this.requestsPerSecond = requestsPerSecond;
            this.bytesPerSecond = bytesPerSecond;
            return this;
        }

        /**
         * What it has to do with SR-IOV; nothing if not said.
         *
         * @param role virtual functions of one disk have as many queues as each other
         */
        public Builder sriov(SriovRole role) {
            sriov = role;
            return this;
        }

        /**
         * @throws IllegalArgumentException for more threads than queues
         * @throws org.vfio4j.sys.ErrnoException EINVAL for a CPU that does not exist or is not allowed, or a limit less than 0
         */
        public VirtioBlk build() {
            return new VirtioBlk(this);
        }
    }

    /** The disk as the transport sees it. */
    private static final class Device implements VirtioDevice {

        private final BlkConfig config;
        private final Iterator<VirtioRequests> sides;
        private final BlockBackend backend;
        private final String name;
        private final int queues;
        private final int queueSize;
        private final long slowNs;
        private final int threads;
        private final Cpus cpus;

        Device(BlkConfig config, Builder parts, Iterator<VirtioRequests> sides) {
            this.config = config;
            this.sides = sides;
            backend = parts.backend;
            name = parts.name;
            queues = parts.queues;
            queueSize = parts.queueSize;
            slowNs = parts.slowNs;
            threads = parts.threads;
            cpus = parts.cpus;
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
            return config.features();
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
        public long slowNs() {
            return slowNs;
        }

        @Override
        public BarHandler config() {
            return config.registers();
        }

        @Override
        public void negotiated(long features) {
            config.negotiated(features);
        }

        @Override
        public int threadCount() {
            return threads;
        }

        @Override
        public Cpus cpus() {
            return cpus;
        }

        @Override
        public byte[] saveState() {
            return config.saveState();
        }

        @Override
        public Runnable loadState(byte[] state) {
            return config.loadState(state);
        }

        @Override
        public void release() {
            backend.release();
        }

        @Override
        public void claim() {
            backend.claim();
        }

        @Override
        public VirtioRequests requests() {
            return sides.next();
        }
    }
}
