package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.FunctionMemory;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueThreads;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.sys.Cpus;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * An NVMe controller (NVM Express Base 2.0, NVMe over PCIe Transport 1.0) with namespaces on some storage, as a PCI function. {@link
 * #function} is what a bus takes; it is called by one thread at a time.
 *
 * <pre>
 *   BAR 0   0x0000  controller properties      0x1000  doorbells
 *   BAR 4   MSI-X table and pending bits
 * </pre>
 */
public final class Nvme implements DeviceModel, AutoCloseable {

    /** The BlueField's NVMe SNAP controller, of which this has the role. */
    public static final int PCI_VENDOR_ID_MELLANOX = 0x15b3;

    public static final int PCI_DEVICE_ID_NVME_SNAP = 0x6001;

    /** The most I/O queue pairs. */
    public static final int MAX_QUEUE_PAIRS = NvmeLimits.MAX_QUEUE_PAIRS;

    private static final int CLASS_STORAGE_EXPRESS = 0x010802;
    private static final int REGISTER_BAR = 0;

    // Smaller would leave address bits of the register that the specification has read-only.
    private static final int REGISTER_BAR_BYTES = 0x4000;
    private static final int MSIX_BAR = 4;

    /**
     * How long a write of CC waits for the queue thread, which needs microseconds; but one that itself waits for the driver must not
     * be waited for.
     */
    private static final long RESET_WAIT_NS = 10_000_000;

    /** Of the 100 ms that PCI Express gives a function level reset. */
    private static final long FUNCTION_RESET_WAIT_NS = 80_000_000;

    /** How long storage that was replaced is left to queue threads that have their queues' work to do as well. */
    private static final long RELEASE_WAIT_NS = 100_000_000;

    private final Doorbells doorbells;
    private final EmulatedFunction function;
    private final NvmeRegisters registers = new NvmeRegisters(new Steps(), System::nanoTime);
    private final SetUpJournal setUp;
    private final NvmeFunctionJournal journal;
    private final AdminHandler handler;
    private final Controller controller;
    private final List<NvmeWork> works = new ArrayList<>();
    private final QueueThreads threads;
    private final DeviceRecorder statistics;
    private final DeviceLimits limits = new DeviceLimits();
    private final AtomicLong doorbellCount = new AtomicLong();
    private final Queue<Runnable> postponed = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final AtomicInteger suspensions = new AtomicInteger();

    private Nvme(Builder parts, AdminHandler handler) {
        if (parts.threads > parts.queuePairs) {
            throw new IllegalArgumentException(parts.threads + " threads for " + parts.queuePairs + " queue pairs");
        }
        parts.cpus.checkAllowed();
        limits.set(parts.requestsPerSecond, parts.bytesPerSecond);
        this.handler = handler;
        // The admin queues are number 0.
        statistics = new DeviceRecorder(parts.name, parts.queuePairs + 1, parts.slowNs, this::cpuNs);
        doorbells = new Doorbells(parts.queuePairs, parts.doorbells);
        setUp = new SetUpJournal(parts.queuePairs);
        journal = new NvmeFunctionJournal(this, registers, setUp);
        int vectors = parts.queuePairs + 1;
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(PCI_VENDOR_ID_MELLANOX, PCI_DEVICE_ID_NVME_SNAP)
                .subsystem(PCI_VENDOR_ID_MELLANOX, 0)
                .classCode(CLASS_STORAGE_EXPRESS, 0)
                .bar(new PciBar(REGISTER_BAR, REGISTER_BAR_BYTES, PciBar.Kind.MEM64, false), new RegisterBar())
                .msix(vectors, MSIX_BAR)
                .powerManagement()
                .pciExpress()
                .platform(FunctionState.class, new NvmeFunctionState(this))
                .platform(FunctionJournal.class, journal)
                .platform(DeviceStatistics.class, statistics);
        parts.sriov.addTo(builder, PCI_DEVICE_ID_NVME_SNAP);
        if (parts.mappable) {
            builder.barMemory(REGISTER_BAR, doorbells::memory)
                    .platform(FunctionMemory.class, new NvmeFunctionMemory(this));
        }
        function = builder.build(this);
        controller = new Controller(
                new Controller.Parts(registers, doorbells, function.interrupts(), handler, statistics, limits, setUp),
                parts.queuePairs,
                parts.threads,
                new OwnThreads());
        boolean always = parts.polling.always();
        boolean naps = parts.mappable && !always;
        for (Lane lane : controller.lanes()) {
            long napAfterNs = naps ? parts.polling.spinNs() : NvmeWork.NEVER;
            works.add(new NvmeWork(parts.name, lane, always, !parts.mappable, napAfterNs));
        }
        QueuePolling polling = naps ? new QueuePolling(QueuePolling.FOR_EVER, parts.polling.idleNs()) : parts.polling;
        threads = new QueueThreads(parts.name, works, polling, parts.cpus);
        handler.connect(controller);
    }

    private long cpuNs() {
        return threads.cpuNs();
    }

    /** @param identity who it is; namespaces and the rest are said to the builder */
    public static Builder builder(NvmeIdentity identity) {
        return new Builder(identity);
    }

    public PciFunction function() {
        return function;
    }

    /** What it has done so far. */
    public NvmeCounters counters() {
        IoTally tally = controller.tally();
        return new NvmeCounters(
                tally.reads,
                tally.writes,
                tally.flushes,
                tally.compares + tally.others,
                tally.readBytes,
                tally.writtenBytes,
                tally.adminCommands,
                tally.errors,
                tally.slow,
                doorbellCount.get(),
                tally.interrupts,
                tally.faults);
    }

    /**
     * Puts other storage under a namespace, or says that its storage has another size. The driver is told. The old storage may be
     * closed afterwards. From any thread.
     *
     * @throws ErrnoException ENODEV when there is no such namespace, EINVAL when the storage is smaller than a block
     */
    public void setStorage(int nsid, BlockBackend backend) {
        change(() -> handler.setStorage(nsid, backend));
        awaitRelease();
    }

    /** Each queue thread closes what stands on the old storage; those that do not look have it closed. */
    private void awaitRelease() {
        long deadline = System.nanoTime() + RELEASE_WAIT_NS;
        while (controller.isReleasing() && controller.isRunning() && System.nanoTime() < deadline) {
            LockSupport.parkNanos(RELEASE_WAIT_NS / 1000);
        }
        if (controller.isReleasing()) {
            threads.callQuiesced(controller::closeReleased);
        }
    }

    /**
     * Makes a namespace larger while it is used, and tells the driver. From any thread.
     *
     * @param sizeBytes a multiple of {@link BlockBackend#SECTOR_BYTES}, no less than now
     * @throws ErrnoException ENODEV when there is no such namespace, or as {@link BlockBackend#grow}
     */
    public void resize(int nsid, long sizeBytes) {
        change(() -> handler.resize(nsid, sizeBytes));
    }

    /**
     * Other limits from now on, over all queues and threads: see {@link DeviceLimits}. From any thread, while it works.
     *
     * @param requestsPerSecond I/O commands of any kind; 0 for no limit
     * @param bytesPerSecond read or written; 0 for no limit
     * @throws ErrnoException EINVAL for less than 0
     */
    public void setLimits(long requestsPerSecond, long bytesPerSecond) {
        limits.set(requestsPerSecond, bytesPerSecond);
        threads.wakeAll();
    }

    /** Its limits as they are now, to look at: they are changed by {@link #setLimits}. */
    public DeviceLimits limits() {
        return limits;
    }

    private void change(Runnable what) {
        AtomicReference<@Nullable ErrnoException> refused = new AtomicReference<>();
        threads.callQuiesced(() -> {
            try {
                what.run();
            } catch (ErrnoException e) {
                refused.set(e);
            }
        });
        ErrnoException e = refused.get();
        if (e != null) {
            throw e;
        }
    }

    /** Whether it has a thread now. */
    public boolean isBusy() {
        return threads.isRunning();
    }

    @Override
    public void attachDma(DmaSpace space) {
        threads.attach(space);
        wakeIfReady();
    }

    @Override
    public void detachDma() {
        threads.detach();
    }

    @Override
    public void busMasterChanged(boolean enabled) {
        controller.setBusMaster(enabled);
        wakeIfReady();
    }

    @Override
    public void reset() {
        controller.discard();
        threads.callQuiesced(() -> {
            // Not before the end of this reset: another controller may have that page.
            doorbells.forgetAdopted();
            resetQuiesced();
        });
        journal.changed();
        resume();
    }

    /** What the storage has stays under way if it must, and CSTS.RDY 1 until it has answered, as in a controller reset. */
    @Override
    public void initiateReset() {
        controller.discard();
        int suspended = suspensions.get();
        boolean over = threads.runQuiesced(
                () -> {
                    doorbells.forgetAdopted();
                    controller.disable();
                    // Not sooner, or commands would be taken that wait; and not if that is what came next.
                    if (suspensions.get() == suspended) {
                        goOn();
                    }
                },
                FUNCTION_RESET_WAIT_NS);
        if (over) {
            registers.reset();
            resume();
        } else {
            registers.initiateReset();
            threads.runQuiesced(doorbells::settle);
        }
        journal.changed();
    }

    /** Completes what is in flight and ends the thread. The function must not be used any more. */
    @Override
    public void close() {
        if (!closed.getAndSet(true)) {
            reset();
            threads.close();
            works.forEach(NvmeWork::close);
            doorbells.close();
        }
    }

    Controller controller() {
        return controller;
    }

    /** See {@link FunctionState#suspend}. */
    void suspend() {
        suspensions.incrementAndGet();
        controller.setStopped(true);
        threads.callQuiesced(controller.errands()::settle);
    }

    /** See {@link FunctionState#resume}. */
    void resume() {
        threads.callQuiesced(doorbells::settle);
        goOn();
    }

    private void goOn() {
        controller.setStopped(false);
        for (Runnable task = postponed.poll(); task != null; task = postponed.poll()) {
            threads.runQuiesced(task);
        }
        wakeIfReady();
    }

    boolean isSuspended() {
        return controller.isStopped();
    }

    /** What its namespaces stand on now. */
    List<BlockBackend> storages() {
        AtomicReference<List<BlockBackend>> found = new AtomicReference<>(List.of());
        threads.callQuiesced(() -> found.set(handler.storages()));
        return found.get();
    }

    QueueThreads threads() {
        return threads;
    }

    Doorbells doorbells() {
        return doorbells;
    }

    private void resetQuiesced() {
        controller.disable();
        registers.reset();
    }

    private void wakeIfReady() {
        if (registers.isReady()) {
            threads.wakeAll();
        }
    }

    /** BAR 0. */
    private final class RegisterBar implements BarHandler {

        @Override
        public long read(long offset, int width) {
            return registers.read(offset, width);
        }

        @Override
        public void write(long offset, int width, long value) {
            if (offset < REG_DOORBELLS) {
                registers.write(offset, width, value);
                journal.changed();
            } else if (width >= Integer.BYTES) {
                ring(offset, (int) value);
                if (width == Long.BYTES) {
                    ring(offset + Integer.BYTES, (int) (value >>> Integer.SIZE));
                }
            }
        }

        /** Narrower writes are no doorbells' (PCIe 3.1.2.1). */
        private void ring(long offset, int value) {
            int doorbell = (int) (offset - REG_DOORBELLS) / DOORBELL_SIZE;
            if (!registers.isReady()) {
                return;
            }
            int lane = doorbells.laneOf(doorbell);
            if (lane == Doorbells.NO_QUEUE) {
                controller.invalidDoorbellRegister();
                return;
            }
            setUp.rung(doorbell, value);
            set(doorbell, lane, value);
            doorbellCount.incrementAndGet();
            if (doorbell % 2 == 0) {
                controller.statistics(doorbell / 2).notified();
            }
            works.get(lane).doorbellRung();
            threads.wake(lane);
        }

        /** As {@link InterruptPin} says. */
        private void set(int doorbell, int lane, int value) {
            if (function.interrupts().msixEnabled()) {
                doorbells.set(doorbell, value);
                return;
            }
            boolean lowered = false;
            synchronized (controller.pin()) {
                doorbells.set(doorbell, value);
                if (doorbell % 2 == 0) {
                    lowered = controller.pin().submitted();
                } else {
                    controller.pin().consumed(lane, doorbell / 2);
                }
            }
            if (lowered) {
                threads.wakeAll();
            }
        }
    }

    private final class Steps implements NvmeRegisters.Effects {

        @Override
        public void enable() {
            threads.runQuiesced(controller::enable, RESET_WAIT_NS);
            threads.wakeAll();
        }

        @Override
        public void disable() {
            controller.discard();
            // Before CC.EN is kept, which the queues may outlive.
            setUp.forget();
            threads.runQuiesced(controller::disable, RESET_WAIT_NS);
        }

        @Override
        public void shutdown() {
            registers.setShutdownStatus(CSTS_SHST_OCCURRING);
            // On the thread, since storage may take its time: a write of a register must not.
            threads.wakeAll();
            threads.runQuiesced(controller::shutdown);
        }

        @Override
        public void interruptMaskChanged() {
            if ((registers.interruptMask() & 1) != 0) {
                controller.pin().lower();
            }
            wakeIfReady();
        }
    }

    private final class OwnThreads implements Controller.Threads {

        @Override
        public void wake(int lane) {
            threads.wake(lane);
        }

        @Override
        public void quiesce(Runnable task) {
            threads.runQuiesced(task);
        }

        @Override
        public void run(Runnable task) {
            threads.runQuiesced(() -> {
                if (controller.isStopped()) {
                    // Another controller may be going on with it.
                    postponed.add(task);
                } else {
                    task.run();
                }
            });
        }
    }

    /** The choices that a controller leaves. */
    public static final class Builder {

        private static final int DEFAULT_QUEUE_PAIRS = 8;
        private static final int LEAST_MAX_NAMESPACES = 16;

        private final Function<Builder, AdminHandler> handler;
        private final List<NamespaceOptions> namespaces = new ArrayList<>();
        private String name = "nvme";
        private int queuePairs = DEFAULT_QUEUE_PAIRS;
        private QueuePolling polling = QueuePolling.ADAPTIVE;
        private boolean mappable;
        private Optional<Fd> doorbells = Optional.empty();
        private int threads = 1;
        private Cpus cpus = Cpus.ANY;
        private long requestsPerSecond;
        private long bytesPerSecond;
        private long slowNs = DeviceRecorder.DEFAULT_SLOW_NS;
        private SriovRole sriov = SriovRole.NONE;

        private Builder(NvmeIdentity identity) {
            handler = parts -> new AdminCommands(
                    identity,
                    Math.max(LEAST_MAX_NAMESPACES, parts.namespaces.size()),
                    parts.namespaces,
                    System::nanoTime);
        }

        /** With other admin commands. */
        Builder(AdminHandler other) {
            handler = parts -> other;
        }

        /** What its threads and its log lines are called. */
        public Builder name(String name) {
            this.name = name;
            return this;
        }

        /** One namespace more, attached, with the next NSID. Its storage is closed by the caller, after the controller. */
        public Builder namespace(NamespaceOptions options) {
            namespaces.add(options);
            return this;
        }

        /** @throws IllegalArgumentException when it is not 1 to {@link #MAX_QUEUE_PAIRS} */
        public Builder queuePairs(int count) {
            if (count < 1 || count > MAX_QUEUE_PAIRS) {
                throw new IllegalArgumentException(count + " queue pairs: the limits are 1 and " + MAX_QUEUE_PAIRS);
            }
            queuePairs = count;
            return this;
        }

        public Builder poll(QueuePolling polling) {
            this.polling = polling;
            return this;
        }

        /**
         * Users may map the page of doorbells, whose writes then nobody sees: the queue thread looks at them all the time or, if it
         * does not poll always, once in a millisecond while there is nothing else to do.
         */
        public Builder mappableDoorbells() {
            mappable = true;
            return this;
        }

        /**
         * The same with memory that a user has mapped already, whose controller's process has died: what {@code barMemory} of that one gave,
         * and the controller's from now on. It writes nothing there before its driver makes a queue.
         */
        public Builder mappableDoorbells(Fd memory) {
            doorbells = Optional.of(memory);
            return mappableDoorbells();
        }

        /**
         * How many threads serve the queues, no more than there are pairs: completion queue i, and what completes there, is thread i - 1
         * modulo that. The first has the admin queues as well.
         */
        public Builder threads(int count) {
            if (count < 1 || count > MAX_QUEUE_PAIRS) {
                throw new IllegalArgumentException(count + " threads: the limits are 1 and " + MAX_QUEUE_PAIRS);
            }
            threads = count;
            return this;
        }

        /** Where its threads run: the first on the first of these, and so on in turn. */
        public Builder cpus(Cpus cpus) {
            this.cpus = cpus;
            return this;
        }

        /** What it begins with of {@link Nvme#setLimits}. */
        public Builder limits(long requestsPerSecond, long bytesPerSecond) {
            this.requestsPerSecond = requestsPerSecond;
            this.bytesPerSecond = bytesPerSecond;
            return this;
        }

        /** How long a command may take before it counts as slow; {@link Long#MAX_VALUE} for without end. */
        public Builder slowNs(long limit) {
            slowNs = limit;
            return this;
        }

        /**
         * What it has to do with SR-IOV; nothing if not said. A virtual function is a controller of its own, with its own namespaces and
         * NVM subsystem.
         *
         * @param role virtual functions of one controller have as many queue pairs as each other
         */
        public Builder sriov(SriovRole role) {
            sriov = role;
            return this;
        }

        /**
         * @throws IllegalArgumentException for more threads than queue pairs
         * @throws org.vfio4j.sys.ErrnoException E2BIG for more than 256 namespaces, EINVAL for a CPU that does not exist or is not
         *     allowed, or a limit less than 0
         */
        public Nvme build() {
            return new Nvme(this, handler.apply(this));
        }
    }
}
