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
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * A driver for NVMe controllers (NVM Express Base 2.0, 3.5) on an open VFIO device, local or remote. One thread opens and closes it;
 * each {@link #queue} belongs to a thread of the user's choice. Nothing that the controller says is trusted.
 */
public final class NvmeDriver implements DiskDriver {

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

    /** By queue: what it interrupts with, or {@link #NO_VECTOR}. */
    private final List<Integer> vectors = new ArrayList<>();

    private final NvmeOptions.Doorbells doorbells;
    private DmaMemory.@Nullable Mapped mapped;
    private @Nullable DmaMemory buffers;
    private @Nullable DoorbellSet doorbellSet;
    private long buffersAt;
    private boolean closed;

    /** Brings a controller into use. */
    private NvmeDriver(VfioDeviceFile file, Optional<DmaMemory> given, NvmeOptions options) {
        this.file = file;
        this.options = options;
        registers = new NvmeRegisters(file, options.timeoutNs());
        try {
            registers.disable();
            DmaMemory memory = given.orElseGet(this::mapMemory);
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

    /** Goes on with a controller that is in use. */
    private NvmeDriver(VfioDeviceFile file, DmaMemory memory, DriverState state, NvmeOptions options) {
        this.file = file;
        this.options = options;
        info = state.info();
        namespace = state.namespace();
        registers = new NvmeRegisters(file, options.timeoutNs(), state.cap());
        try {
            takeInterrupts(state.vectors());
            DoorbellSet bells = DoorbellSet.resume(registers, memory, state, highestQueue(state));
            doorbellSet = bells;
            doorbells = bells.how();
            for (RingState saved : state.rings()) {
                boolean interrupted = saved.vector() >= 0 && saved.vector() < interrupts.size();
                Optional<Fd> interrupt = interrupted ? Optional.of(interrupts.get(saved.vector())) : Optional.empty();
                CommandRing ring = CommandRing.resume(memory, registers.pageBytes(), saved, interrupt);
                ring.start(bells.of(saved.id(), false), bells.of(saved.id(), true));
                rings.add(ring);
                vectors.add(interrupted ? saved.vector() : NO_VECTOR);
            }
            memory.allocate(state.buffersAt() - memory.allocatedBytes(), 1);
            buffersAt = state.buffersAt();
            DmaMemory rest = memory.rest();
            rest.allocate(state.bufferBytes(), 1);
            buffers = rest;
            for (int i = 0; i < rings.size(); i++) {
                queues.add(new NvmeQueue(
                        namespace, rest, rings.get(i), state.rings().get(i).tags()));
            }
        } catch (RuntimeException e) {
            forget();
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
        return new NvmeDriver(file, Optional.empty(), options);
    }

    /**
     * The same in memory that the caller has mapped for the device and keeps mapped: the driver's queues come first, and what is left is
     * for buffers.
     *
     * @throws ErrnoException also ENOMEM when the queues do not fit
     */
    public static NvmeDriver open(VfioDeviceFile file, DmaMemory memory, NvmeOptions options) {
        return new NvmeDriver(file, Optional.of(memory), options);
    }

    /**
     * Goes on with a controller that another driver has brought into use, on the same device or on one that has got its state:
     * commands that were in flight complete here. Touches the device's interrupts and no register of it, so that it may be stopped;
     * {@link NvmeQueue#poll} finds what has completed without an interrupt that came here.
     *
     * @param memory what the other driver had, at the same addresses of the device, with the same contents, and nothing allocated
     * @param state what {@link #save} gave
     * @throws ErrnoException EINVAL for a state that no driver gives or that does not fit into the memory; what {@code file} says
     */
    public static NvmeDriver resume(VfioDeviceFile file, DmaMemory memory, byte[] state, NvmeOptions options) {
        return new NvmeDriver(file, memory, DriverState.parse(state), options);
    }

    /**
     * As every driver of a disk, for {@link #resume}.
     *
     * @throws ErrnoException EOPNOTSUPP when doorbells are rung in memory of the device
     */
    @Override
    public byte[] save() {
        DoorbellSet bells = doorbellSet;
        if (bells == null) {
            throw new IllegalStateException("the driver is closed");
        }
        List<RingState> states = new ArrayList<>();
        for (int i = 0; i < queues.size(); i++) {
            states.add(queues.get(i).state(vectors.get(i)));
        }
        return new DriverState(
                        registers.cap(),
                        info,
                        namespace,
                        bells.shadowAt(),
                        interrupts.size(),
                        buffersAt,
                        memory().allocatedBytes(),
                        states)
                .toBytes();
    }

    /**
     * Whether a controller, which is not in use, could take the place of another, as far as its registers tell: it may be held and answer no
     * command. It compares namespaces when it gets the other's state.
     *
     * @param state what the other's driver has {@linkplain #save saved} at any time
     * @throws ErrnoException EINVAL when not, with the reason
     */
    public static void checkFits(VfioDeviceFile file, byte[] state) {
        DriverState wanted = DriverState.parse(state);
        long cap = new NvmeRegisters(file, NvmeOptions.DEFAULTS.timeoutNs()).cap();
        if (cap != wanted.cap()) {
            throw new ErrnoException(
                    EINVAL,
                    String.format(
                            "an NVMe controller that cannot replace another: CAP 0x%x instead of 0x%x",
                            cap, wanted.cap()));
        }
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

    @Override
    public long capacityBytes() {
        return namespace.capacityBytes();
    }

    /** A logical block. */
    @Override
    public int sectorBytes() {
        return namespace.blockSize();
    }

    @Override
    public int maxTransferBytes() {
        return namespace.maxTransferBytes();
    }

    @Override
    public boolean readOnly() {
        return namespace.readOnly();
    }

    @Override
    public int queueCount() {
        return queues.size();
    }

    @Override
    public NvmeQueue queue(int index) {
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
        registers.checkReady();
    }

    /** Shuts the controller down, stops it, and takes interrupts and memory from it. The queues must not be in use. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        rings.forEach(CommandRing::close);
        release(registers::shutDown);
        release(registers::disable);
        release(registers::denyDma);
        if (!interrupts.isEmpty()) {
            release(() -> registers.enableMsix(false));
        }
        forget();
    }

    @Override
    public void forget() {
        if (closed) {
            return;
        }
        closed = true;
        rings.forEach(CommandRing::close);
        if (!interrupts.isEmpty()) {
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

    private DmaMemory mapMemory() {
        DmaMemory.Mapped own = DmaMemory.map(file, "vfio4j-nvme", options.iova(), memoryBytes());
        mapped = own;
        return own.memory();
    }

    private static int highestQueue(DriverState state) {
        return state.rings().stream().mapToInt(RingState::id).max().orElse(0);
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
            vectors.add(vector);
        }
        buffersAt = memory.allocatedBytes();
        DmaMemory rest = memory.rest();
        buffers = rest;
        rings.forEach(ring -> queues.add(new NvmeQueue(namespace, rest, ring)));
        return bells.how();
    }

    private void enableInterrupts(int queueCount) {
        takeInterrupts(queueCount + 1);
        if (!interrupts.isEmpty()) {
            registers.enableMsix(true);
        }
    }

    /** As many as the device has, and no more than {@code most}. */
    private void takeInterrupts(int most) {
        int count = Math.min(most, file.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count());
        if (count < 1) {
            return;
        }
        for (int i = 0; i < count; i++) {
            interrupts.add(EventFd.create());
        }
        List<Fd> given = interrupts.stream().map(Fd::dup).toList();
        int flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        file.setIrqs(VfioIrqSet.eventFds(flags, VFIO_PCI_MSIX_IRQ_INDEX, 0, count, given));
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
