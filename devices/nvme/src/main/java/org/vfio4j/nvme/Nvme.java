package org.vfio4j.nvme;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
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

    private final Doorbells doorbells;
    private final EmulatedFunction function;
    private final ControllerResets resets = new ControllerResets(this);
    private final NvmeRegisters registers = new NvmeRegisters(resets, System::nanoTime);
    private final NvmeFunctionJournal journal;
    private final Controller controller;
    private final List<NvmeWork> works = new ArrayList<>();
    private final QueueThreads threads;
    private final DoorbellWrites doorbellWrites;
    private final StorageChanges storageChanges;
    private final Suspension suspension;
    private final DeviceRecorder statistics;
    private final DeviceLimits limits = new DeviceLimits();
    private final AtomicBoolean closed = new AtomicBoolean();

    private Nvme(Builder parts, AdminHandler handler) {
        if (parts.threads > parts.queuePairs) {
            throw new IllegalArgumentException(parts.threads + " threads for " + parts.queuePairs + " queue pairs");
        }
        parts.cpus.checkAllowed();
        limits.set(parts.requestsPerSecond, parts.bytesPerSecond);
        // The admin queues are number 0.
        statistics = new DeviceRecorder(parts.name, parts.queuePairs + 1, parts.slowNs, this::cpuNs);
        doorbells = new Doorbells(parts.queuePairs, parts.doorbells);
        SetUpJournal setUp = new SetUpJournal(parts.queuePairs);
        journal = new NvmeFunctionJournal(this, registers, setUp);
        int vectors = parts.queuePairs + 1;
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(PCI_VENDOR_ID_MELLANOX, PCI_DEVICE_ID_NVME_SNAP)
                .subsystem(PCI_VENDOR_ID_MELLANOX, 0)
                .classCode(CLASS_STORAGE_EXPRESS, 0)
                .bar(new PciBar(REGISTER_BAR, REGISTER_BAR_BYTES, PciBar.Kind.MEM64, false), new RegisterBar(this))
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
                new FunctionThreads(this));
        boolean always = parts.polling.always();
        boolean naps = parts.mappable && !always;
        for (Lane lane : controller.lanes()) {
            long napAfterNs = naps ? parts.polling.spinNs() : NvmeWork.NEVER;
            works.add(new NvmeWork(parts.name, lane, always, !parts.mappable, napAfterNs));
        }
        QueuePolling polling = naps ? new QueuePolling(QueuePolling.FOR_EVER, parts.polling.idleNs()) : parts.polling;
        threads = new QueueThreads(parts.name, works, polling, parts.cpus);
        doorbellWrites = new DoorbellWrites(controller, function.interrupts(), works, threads);
        storageChanges = new StorageChanges(controller, threads);
        suspension = new Suspension(controller, threads);
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
        return NvmeCounters.of(controller.tally(), doorbellWrites.count());
    }

    /**
     * Puts other storage under a namespace, or says that its storage has another size. The driver is told. The old storage may be
     * closed afterwards. From any thread.
     *
     * @throws ErrnoException ENODEV when there is no such namespace, EINVAL when the storage is smaller than a block
     */
    public void setStorage(int nsid, BlockBackend backend) {
        storageChanges.set(nsid, backend);
    }

    /**
     * Makes a namespace larger while it is used, and tells the driver. From any thread.
     *
     * @param sizeBytes a multiple of {@link BlockBackend#SECTOR_BYTES}, no less than now
     * @throws ErrnoException ENODEV when there is no such namespace, or as {@link BlockBackend#grow}
     */
    public void resize(int nsid, long sizeBytes) {
        storageChanges.resize(nsid, sizeBytes);
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
        resets.reset();
    }

    /** {@inheritDoc} What the storage has stays under way if it must, and CSTS.RDY 1 until it has answered, as in a controller reset. */
    @Override
    public void initiateReset() {
        resets.initiate();
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
        suspension.begin();
    }

    /** See {@link FunctionState#resume}. */
    void resume() {
        suspension.end();
        wakeIfReady();
    }

    Suspension suspension() {
        return suspension;
    }

    boolean isSuspended() {
        return controller.isStopped();
    }

    NvmeFunctionJournal journal() {
        return journal;
    }

    DoorbellWrites doorbellWrites() {
        return doorbellWrites;
    }

    StorageChanges storage() {
        return storageChanges;
    }

    QueueThreads threads() {
        return threads;
    }

    Doorbells doorbells() {
        return doorbells;
    }

    /** There may be work, if the controller is enabled. */
    void wakeIfReady() {
        if (registers.isReady()) {
            threads.wakeAll();
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
