package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
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
 * A driver for NVMe controllers (NVM Express Base 2.0, 3.5) on an open VFIO device, local or remote. One thread opens and closes it;
 * each {@link #queue} belongs to a thread of the user's choice. Nothing that the controller says is trusted.
 */
public final class NvmeDriver implements AutoCloseable {

    private static final Logger LOG = System.getLogger(NvmeDriver.class.getName());

    /** What MDTS is cut to, so that a PRP list is half a page at most: 1 MiB with pages of 4 KiB. */
    private static final int MAX_LIST_ENTRIES = 256;

    private static final int NO_VECTOR = -1;

    private final VfioDeviceFile file;
    private final NvmeOptions options;
    private final NvmeRegisters registers;
    private final NvmeInfo info;
    private final NvmeNamespace namespace;
    private final List<Fd> interrupts = new ArrayList<>();
    private final List<CommandRing> rings = new ArrayList<>();
    private final List<NvmeQueue> queues = new ArrayList<>();
    private final NvmeOptions.Doorbells doorbells;
    private DmaMemory.@Nullable Mapped mapped;
    private @Nullable DmaMemory buffers;
    private @Nullable DoorbellSet doorbellSet;
    private boolean closed;

    private NvmeDriver(VfioDeviceFile file, NvmeOptions options) {
        this.file = file;
        this.options = options;
        registers = new NvmeRegisters(file, options.timeoutNs());
        try {
            registers.disable();
            mapped = DmaMemory.map(file, "vfio4j-nvme", options.iova(), memoryBytes());
            DmaMemory memory = mapped.memory();
            registers.allowDma();
            AdminQueue admin = AdminQueue.start(registers, memory, options.timeoutNs());
            info = NvmeInfo.read(admin.identify(CNS_CONTROLLER, 0));
            namespace = readNamespace(admin);
            doorbells = startQueues(admin, memory);
            registers.checkReady();
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * Resets the controller and brings it into use.
     *
     * @param file the device; the caller closes it, after the driver
     * @throws ErrnoException ENODEV when it is no NVMe controller or has no such namespace; ENOTSUP for one that this driver cannot
     *     use; EPROTO, EIO or ETIMEDOUT when it does not behave as one; what {@code file} says
     */
    public static NvmeDriver open(VfioDeviceFile file, NvmeOptions options) {
        return new NvmeDriver(file, options);
    }

    public NvmeInfo info() {
        return info;
    }

    public NvmeNamespace namespace() {
        return namespace;
    }

    /** How doorbells are rung: what was wanted, or what the controller offers of it. */
    public NvmeOptions.Doorbells doorbells() {
        return doorbells;
    }

    /** Whether the queues are interrupted, those of them that have a vector. */
    public boolean interrupted() {
        return !interrupts.isEmpty();
    }

    public int queueCount() {
        return queues.size();
    }

    public NvmeQueue queue(int index) {
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
     * Asks the controller how it is: for users whose requests do not complete.
     *
     * @throws ErrnoException EIO when it has failed or was stopped; ENOTCONN when the server is gone
     */
    public void check() {
        registers.checkReady();
    }

    /** Shuts the controller down, stops it, and takes interrupts and memory from it. The queues must not be in use. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        rings.forEach(CommandRing::close);
        release(registers::shutDown);
        release(registers::disable);
        release(registers::denyDma);
        if (!interrupts.isEmpty()) {
            release(() -> registers.enableMsix(false));
            int flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
            release(() -> file.setIrqs(VfioIrqSet.none(flags, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0)));
            interrupts.forEach(Fd::close);
        }
        if (doorbellSet != null) {
            doorbellSet.close();
        }
        DmaMemory.Mapped memory = mapped;
        mapped = null;
        buffers = null;
        if (memory != null) {
            release(memory::close);
        }
    }

    private long memoryBytes() {
        int page = registers.pageBytes();
        long rings = options.queues() * CommandRing.bytes(options.queueSize(), page, MAX_LIST_ENTRIES);
        return AdminQueue.bytes(page) + rings + DoorbellSet.bytes(page) + page + options.bufferBytes();
    }

    private NvmeNamespace readNamespace(AdminQueue admin) {
        int nsid = options.nsid() != 0 ? options.nsid() : firstNamespace(admin);
        int entries = info.mdts() == 0 || info.mdts() >= Integer.SIZE - 1 ? MAX_LIST_ENTRIES : 1 << info.mdts();
        int transfer = Math.min(entries, MAX_LIST_ENTRIES) * registers.pageBytes();
        return NvmeNamespace.read(nsid, admin.identify(CNS_NAMESPACE, nsid), info, transfer);
    }

    private static int firstNamespace(AdminQueue admin) {
        int first;
        try {
            first = admin.identify(CNS_ACTIVE_NAMESPACES, 0).getInt(0);
        } catch (ErrnoException e) {
            if (e.errno() != EINVAL) {
                throw e;
            }
            // Controllers of before version 1.1 do not list them.
            return 1;
        }
        if (first == 0) {
            throw new ErrnoException(ENODEV, "the NVMe controller has no active namespace");
        }
        return first;
    }

    /** Returns how doorbells are rung. */
    private NvmeOptions.Doorbells startQueues(AdminQueue admin, DmaMemory memory) {
        int count = admin.numberOfQueues(options.queues());
        if (options.interrupts()) {
            enableInterrupts(count);
        }
        DoorbellSet bells = DoorbellSet.open(file, registers, admin, info, memory, count, options.doorbells());
        doorbellSet = bells;
        int entries = Math.min(options.queueSize(), Integer.highestOneBit(registers.maxQueueEntries()));
        int listEntries = namespace.maxTransferBytes() / registers.pageBytes();
        // With a vector to spare the admin queue has the first one for itself.
        int firstVector = interrupts.size() > count ? 1 : 0;
        for (int i = 0; i < count; i++) {
            int vector = firstVector + i < interrupts.size() ? firstVector + i : NO_VECTOR;
            Optional<Fd> interrupt = vector == NO_VECTOR ? Optional.empty() : Optional.of(interrupts.get(vector));
            int id = i + 1;
            CommandRing ring =
                    new CommandRing(memory, id, entries, registers.pageBytes(), Math.max(listEntries, 1), interrupt);
            admin.create(ring, vector);
            ring.start(bells.of(id, false), bells.of(id, true));
            rings.add(ring);
        }
        DmaMemory rest = memory.rest();
        buffers = rest;
        rings.forEach(ring -> queues.add(new NvmeQueue(namespace, rest, ring)));
        return bells.how();
    }

    private void enableInterrupts(int queueCount) {
        int vectors =
                Math.min(queueCount + 1, file.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count());
        if (vectors < 1) {
            return;
        }
        for (int i = 0; i < vectors; i++) {
            interrupts.add(EventFd.create());
        }
        List<Fd> given = interrupts.stream().map(Fd::dup).toList();
        int flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        file.setIrqs(VfioIrqSet.eventFds(flags, VFIO_PCI_MSIX_IRQ_INDEX, 0, vectors, given));
        registers.enableMsix(true);
    }

    /** Goes on whatever comes: what is ours is given back in any case. */
    private static void release(Runnable step) {
        try {
            step.run();
        } catch (ErrnoException e) {
            // With the connection the device has lost interrupts and memory already.
            if (e.errno() != ENOTCONN) {
                LOG.log(Level.WARNING, "closing an NVMe controller: {0}", e.getMessage());
            }
        }
    }
}
