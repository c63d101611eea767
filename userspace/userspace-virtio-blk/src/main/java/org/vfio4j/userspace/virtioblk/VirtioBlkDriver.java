package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * A driver for virtio disks (Virtual I/O Device 1.2, 3.1, 5.2) on an open VFIO device, local or remote. One thread opens and
 * closes it; each {@link #queue} belongs to a thread of the user's choice. Nothing that the device says is trusted.
 */
public final class VirtioBlkDriver implements DiskDriver {

    private static final Logger LOG = System.getLogger(VirtioBlkDriver.class.getName());

    private static final long SUPPORTED = feature(VIRTIO_F_VERSION_1)
            | feature(VIRTIO_F_ACCESS_PLATFORM)
            | feature(VIRTIO_RING_F_INDIRECT_DESC)
            | feature(VIRTIO_RING_F_EVENT_IDX)
            | feature(VIRTIO_BLK_F_SIZE_MAX)
            | feature(VIRTIO_BLK_F_RO)
            | feature(VIRTIO_BLK_F_BLK_SIZE)
            | feature(VIRTIO_BLK_F_FLUSH)
            | feature(VIRTIO_BLK_F_TOPOLOGY)
            | feature(VIRTIO_BLK_F_CONFIG_WCE)
            | feature(VIRTIO_BLK_F_MQ)
            | feature(VIRTIO_BLK_F_DISCARD)
            | feature(VIRTIO_BLK_F_WRITE_ZEROES);

    static final int MIN_QUEUE_SIZE = 4;

    /** For the serial number, and for the gap before the first buffer. */
    private static final long ID_ROOM = 8192;

    private final VfioDeviceFile file;
    private final VirtioBlkOptions options;
    private final VirtioPciDevice device;
    private final VirtioBlkInfo info;
    private final List<Fd> interrupts = new ArrayList<>();
    private final List<VirtioBlkQueue> queues = new ArrayList<>();
    private final String serial;
    private DmaMemory.@Nullable Mapped mapped;
    private @Nullable DmaMemory buffers;
    private boolean closed;

    /** Brings a disk into use. */
    private VirtioBlkDriver(VfioDeviceFile file, Optional<DmaMemory> memory, VirtioBlkOptions options) {
        this.file = file;
        this.options = options;
        device = new VirtioPciDevice(file);
        try {
            device.reset(options.timeoutNs());
            device.addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
            device.addStatus(VIRTIO_CONFIG_S_DRIVER);
            info = VirtioBlkInfo.read(device, device.negotiate(SUPPORTED));
            start(memory);
            serial = readSerial();
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Goes on with a disk that is in use. */
    private VirtioBlkDriver(VfioDeviceFile file, DmaMemory memory, DriverState state, VirtioBlkOptions options) {
        this.file = file;
        this.options = options;
        info = state.info();
        serial = state.serial();
        // Its configuration space is what it was, and takes many messages to read.
        device = new VirtioPciDevice(file, state.structures());
        try {
            if (state.rings().stream().anyMatch(RingState::interrupts)) {
                enableInterrupts(state.rings().size());
            }
            List<DriverRing> rings = new ArrayList<>();
            for (int i = 0; i < state.rings().size(); i++) {
                RingState ring = state.rings().get(i);
                Optional<Fd> interrupt =
                        ring.interrupts() && i < interrupts.size() ? Optional.of(interrupts.get(i)) : Optional.empty();
                rings.add(DriverRing.resume(device, i, ring, info.features(), memory, interrupt));
            }
            buffers = memory.rest();
            buffers.allocate(state.bufferBytes(), 1);
            for (int i = 0; i < rings.size(); i++) {
                queues.add(new VirtioBlkQueue(
                        info, buffers, rings.get(i), state.rings().get(i)));
            }
        } catch (RuntimeException e) {
            forget();
            throw e;
        }
    }

    /**
     * Resets the disk and brings it into use.
     *
     * @param file the device; the caller closes it, after the driver
     * @throws ErrnoException ENODEV when it is no virtio disk with a modern interface; EPROTO, EIO or ETIMEDOUT when it does not
     *     behave as one; what {@code file} says
     */
    public static VirtioBlkDriver open(VfioDeviceFile file, VirtioBlkOptions options) {
        return new VirtioBlkDriver(file, Optional.empty(), options);
    }

    /**
     * The same in memory that the caller has mapped for the device and keeps mapped: the driver's rings come first, and what is left is
     * for buffers.
     *
     * @throws ErrnoException also ENOMEM when the rings do not fit
     */
    public static VirtioBlkDriver open(VfioDeviceFile file, DmaMemory memory, VirtioBlkOptions options) {
        return new VirtioBlkDriver(file, Optional.of(memory), options);
    }

    /**
     * Goes on with a disk that another driver has brought into use, on the same device or on one that has got its state: requests
     * that were in flight complete here. Touches the device's interrupts and no register of it, so that it may be stopped; {@link
     * VirtioBlkQueue#poll} finds what has completed without an interrupt that came here.
     *
     * @param memory what the other driver had, at the same addresses of the device, with the same contents
     * @param state what {@link #save} gave
     * @throws ErrnoException EINVAL for a state that no driver gives, ENOMEM for one that does not fit into the memory; what
     *     {@code file} says
     */
    public static VirtioBlkDriver resume(
            VfioDeviceFile file, DmaMemory memory, byte[] state, VirtioBlkOptions options) {
        return new VirtioBlkDriver(file, memory, DriverState.parse(state), options);
    }

    /** As every driver of a disk, for {@link #resume}. */
    @Override
    public byte[] save() {
        List<RingState> rings = queues.stream().map(VirtioBlkQueue::state).toList();
        return new DriverState(info, device.structures(), serial, memory().allocatedBytes(), rings).toBytes();
    }

    /**
     * Whether a disk, which is not in use, could take the place of another.
     *
     * @param state what the other's driver has {@linkplain #save saved} at any time
     * @throws ErrnoException EINVAL when not, with the reason
     */
    public static void checkFits(VfioDeviceFile file, byte[] state) {
        DriverState wanted = DriverState.parse(state);
        VirtioPciDevice device = new VirtioPciDevice(file);
        VirtioBlkInfo there = wanted.info();
        long missing = there.features() & ~device.offered();
        VirtioBlkInfo here = VirtioBlkInfo.read(device, there.features() & ~missing);
        require(missing == 0, "it does not offer the features 0x" + Long.toHexString(missing));
        require(
                here.capacityBytes() == there.capacityBytes(),
                "it has " + here.capacityBytes() + " bytes instead of " + there.capacityBytes());
        require(
                device.queueCount() >= wanted.rings().size(),
                "it has " + device.queueCount() + " queues instead of "
                        + wanted.rings().size());
        require(here.equals(there), "its limits for requests are others: " + here + " instead of " + there);
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new ErrnoException(EINVAL, "a virtio disk that cannot replace another: " + otherwise);
        }
    }

    public VirtioBlkInfo info() {
        return info;
    }

    @Override
    public long capacityBytes() {
        return info.capacityBytes();
    }

    /** The unit that it prefers; {@link #sectorBytes} is the one that it insists on. */
    public int blockSize() {
        return info.blockSize();
    }

    @Override
    public int sectorBytes() {
        return SECTOR_SIZE;
    }

    @Override
    public int maxTransferBytes() {
        return info.maxTransferBytes();
    }

    @Override
    public boolean readOnly() {
        return info.readOnly();
    }

    /** The negotiated features, a bit mask. */
    public long features() {
        return info.features();
    }

    /** What the disk answers to GET_ID, empty when it does not answer. */
    public String serial() {
        return serial;
    }

    @Override
    public int queueCount() {
        return queues.size();
    }

    @Override
    public VirtioBlkQueue queue(int index) {
        return queues.get(index);
    }

    @Override
    public DmaMemory memory() {
        DmaMemory memory = buffers;
        if (memory == null) {
            throw new IllegalStateException("the driver is closed");
        }
        return memory;
    }

    @Override
    public void check() {
        int status = device.status();
        if ((status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0 || (status & VIRTIO_CONFIG_S_DRIVER_OK) == 0) {
            throw new ErrnoException(EIO, String.format("the virtio disk has stopped: status 0x%02x", status));
        }
    }

    /** Resets the device, and takes interrupts and memory from it. The queues must not be in use. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        queues.forEach(VirtioBlkQueue::close);
        release(() -> device.reset(options.timeoutNs()));
        release(device::disable);
        forget();
    }

    @Override
    public void forget() {
        if (closed) {
            return;
        }
        closed = true;
        queues.forEach(VirtioBlkQueue::close);
        if (!interrupts.isEmpty()) {
            int flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
            release(() -> file.setIrqs(VfioIrqSet.none(flags, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0)));
            interrupts.forEach(Fd::close);
        }
        DmaMemory.Mapped memory = mapped;
        mapped = null;
        buffers = null;
        if (memory != null) {
            release(memory::close);
        }
    }

    private void start(Optional<DmaMemory> given) {
        int most = has(info.features(), VIRTIO_BLK_F_MQ) ? (int) device.deviceField(CONFIG_NUM_QUEUES, 2) : 1;
        int count = Math.min(options.queues(), Math.min(most, device.queueCount()));
        if (count < 1) {
            throw new ErrnoException(EPROTO, "the virtio disk has no queue");
        }
        DmaMemory memory = given.orElseGet(() -> mapMemory(count));
        if (options.interrupts()) {
            enableInterrupts(count);
        }
        device.enable();
        device.noConfigInterrupt();
        List<DriverRing> rings = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            rings.add(startRing(i, memory));
        }
        buffers = memory.rest();
        for (DriverRing ring : rings) {
            queues.add(new VirtioBlkQueue(info, buffers, ring));
        }
        device.addStatus(VIRTIO_CONFIG_S_DRIVER_OK);
        check();
    }

    private DmaMemory mapMemory(int queueCount) {
        long ringBytes = queueCount * DriverRing.bytes(options.queueSize());
        long bytes = ringBytes + ID_ROOM + options.bufferBytes();
        DmaMemory.Mapped own = DmaMemory.map(file, "vfio4j-virtio-blk", options.iova(), bytes);
        mapped = own;
        return own.memory();
    }

    private void enableInterrupts(int queueCount) {
        int vectors = Math.min(queueCount, file.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count());
        if (vectors < 1) {
            return;
        }
        for (int i = 0; i < vectors; i++) {
            interrupts.add(EventFd.create());
        }
        List<Fd> given = interrupts.stream().map(Fd::dup).toList();
        int flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        file.setIrqs(VfioIrqSet.eventFds(flags, VFIO_PCI_MSIX_IRQ_INDEX, 0, vectors, given));
    }

    private DriverRing startRing(int index, DmaMemory memory) {
        int size = Math.min(options.queueSize(), Integer.highestOneBit(device.selectQueue(index)));
        if (size < MIN_QUEUE_SIZE) {
            throw new ErrnoException(
                    ENODEV, "virtio queue " + index + " of " + size + " entries: " + MIN_QUEUE_SIZE + " are needed");
        }
        boolean interrupted = index < interrupts.size() && device.setQueueVector(index);
        Optional<Fd> interrupt = interrupted ? Optional.of(interrupts.get(index)) : Optional.empty();
        return DriverRing.start(device, index, size, info.features(), memory, interrupt);
    }

    private String readSerial() {
        VirtioBlkQueue queue = queues.get(0);
        long buffer = memory().allocate(VIRTIO_BLK_ID_BYTES, Long.BYTES);
        int[] result = {-ETIMEDOUT};
        queue.getId(buffer, 0);
        queue.kick();
        long start = System.nanoTime();
        while (queue.poll((tag, outcome) -> result[0] = outcome) == 0) {
            long left = options.timeoutNs() - (System.nanoTime() - start);
            if (left <= 0) {
                check();
                throw new ErrnoException(
                        ETIMEDOUT,
                        "the virtio disk completes no request within " + options.timeoutNs() / 1_000_000 + " ms");
            }
            queue.await(left);
        }
        if (result[0] != 0) {
            return "";
        }
        byte[] bytes = memory().segment(buffer, VIRTIO_BLK_ID_BYTES).toArray(ValueLayout.JAVA_BYTE);
        int length = 0;
        while (length < bytes.length && bytes[length] != 0) {
            length++;
        }
        return new String(bytes, 0, length, StandardCharsets.US_ASCII);
    }

    /** Goes on whatever comes: what is ours is given back in any case. */
    private static void release(Runnable step) {
        try {
            step.run();
        } catch (ErrnoException e) {
            // With the connection the device has lost interrupts and memory already.
            if (e.errno() != ENOTCONN) {
                LOG.log(Level.WARNING, "closing a virtio disk: {0}", e.getMessage());
            }
        }
    }
}
