package org.vfio4j.userspace.virtioblk;

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
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * A driver for virtio disks (Virtual I/O Device 1.2, 3.1, 5.2) on an open VFIO device, local or remote. One thread opens and
 * closes it; each {@link #queue} belongs to a thread of the user's choice. Nothing that the device says is trusted.
 */
public final class VirtioBlkDriver implements AutoCloseable {

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

    private static final int MIN_QUEUE_SIZE = 4;

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

    private VirtioBlkDriver(VfioDeviceFile file, VirtioBlkOptions options) {
        this.file = file;
        this.options = options;
        device = new VirtioPciDevice(file);
        try {
            device.reset(options.timeoutNs());
            device.addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
            device.addStatus(VIRTIO_CONFIG_S_DRIVER);
            info = VirtioBlkInfo.read(device, device.negotiate(SUPPORTED));
            start();
            serial = readSerial();
        } catch (RuntimeException e) {
            close();
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
        return new VirtioBlkDriver(file, options);
    }

    public VirtioBlkInfo info() {
        return info;
    }

    public long capacityBytes() {
        return info.capacityBytes();
    }

    public int blockSize() {
        return info.blockSize();
    }

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

    public int queueCount() {
        return queues.size();
    }

    public VirtioBlkQueue queue(int index) {
        return queues.get(index);
    }

    /** Memory for buffers. */
    public DmaMemory memory() {
        DmaMemory memory = buffers;
        if (memory == null) {
            throw new IllegalStateException("the driver is closed");
        }
        return memory;
    }

    /**
     * Asks the device how it is: for users whose requests do not complete.
     *
     * @throws ErrnoException EIO when it has failed or was reset; ENOTCONN when the server is gone
     */
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
        closed = true;
        queues.forEach(VirtioBlkQueue::close);
        release(() -> device.reset(options.timeoutNs()));
        release(device::disable);
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

    private void start() {
        int most = has(info.features(), VIRTIO_BLK_F_MQ) ? (int) device.deviceField(CONFIG_NUM_QUEUES, 2) : 1;
        int count = Math.min(options.queues(), Math.min(most, device.queueCount()));
        if (count < 1) {
            throw new ErrnoException(EPROTO, "the virtio disk has no queue");
        }
        long ringBytes = count * DriverRing.bytes(options.queueSize());
        mapped = DmaMemory.map(file, "vfio4j-virtio-blk", options.iova(), ringBytes + ID_ROOM + options.bufferBytes());
        DmaMemory memory = mapped.memory();
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
        return new DriverRing(device, index, size, info.features(), memory, interrupt);
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
