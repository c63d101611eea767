package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueThread;
import org.vfio4j.sys.ErrnoException;

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

    private final Doorbells doorbells;
    private final EmulatedFunction function;
    private final NvmeRegisters registers = new NvmeRegisters(new Steps());
    private final IoTally tally = new IoTally();
    private final AdminHandler handler;
    private final Controller controller;
    private final NvmeWork work;
    private final QueueThread thread;
    private final AtomicLong doorbellCount = new AtomicLong();
    private final AtomicBoolean invalidDoorbell = new AtomicBoolean();
    private final Queue<Runnable> postponed = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean closed = new AtomicBoolean();

    private Nvme(Builder parts, AdminHandler handler) {
        this.handler = handler;
        doorbells = new Doorbells(parts.queuePairs);
        int vectors = parts.queuePairs + 1;
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(PCI_VENDOR_ID_MELLANOX, PCI_DEVICE_ID_NVME_SNAP)
                .subsystem(PCI_VENDOR_ID_MELLANOX, 0)
                .classCode(CLASS_STORAGE_EXPRESS, 0)
                .intx()
                .bar(new PciBar(REGISTER_BAR, REGISTER_BAR_BYTES, PciBar.Kind.MEM64, false), new RegisterBar())
                .msix(vectors, MSIX_BAR)
                .powerManagement()
                .pciExpress()
                .platform(FunctionState.class, new NvmeFunctionState(this));
        if (parts.mappable) {
            builder.barMemory(REGISTER_BAR, doorbells.memory());
        }
        function = builder.build(this);
        NvmeInterrupts interrupts = new NvmeInterrupts(function.interrupts(), registers, tally, vectors);
        controller =
                new Controller(registers, doorbells, interrupts, handler, tally, parts.queuePairs, new OwnThreads());
        boolean naps = parts.mappable && !parts.polling.always();
        work = new NvmeWork(
                parts.name, controller, parts.polling.always(), naps ? parts.polling.spinNs() : NvmeWork.NEVER);
        QueuePolling polling = naps ? new QueuePolling(QueuePolling.FOR_EVER, parts.polling.idleNs()) : parts.polling;
        thread = new QueueThread(parts.name, work, polling);
        handler.connect(controller);
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
        AtomicReference<@Nullable ErrnoException> refused = new AtomicReference<>();
        thread.callQuiesced(() -> {
            try {
                handler.setStorage(nsid, backend);
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
        return thread.isRunning();
    }

    @Override
    public void attachDma(DmaSpace space) {
        thread.attach(space);
        wakeIfReady();
    }

    @Override
    public void detachDma() {
        thread.detach();
    }

    @Override
    public void busMasterChanged(boolean enabled) {
        work.setBusMaster(enabled);
        wakeIfReady();
    }

    @Override
    public void reset() {
        thread.callQuiesced(this::resetQuiesced);
        resume();
    }

    /** Completes what is in flight and ends the thread. The function must not be used any more. */
    @Override
    public void close() {
        if (!closed.getAndSet(true)) {
            reset();
            thread.close();
            doorbells.close();
        }
    }

    Controller controller() {
        return controller;
    }

    /** See {@link FunctionState#suspend}. */
    void suspend() {
        work.setStopped(true);
        thread.callQuiesced(controller::finishDeletions);
    }

    /** See {@link FunctionState#resume}. */
    void resume() {
        work.setStopped(false);
        for (Runnable task = postponed.poll(); task != null; task = postponed.poll()) {
            thread.runQuiesced(task);
        }
        wakeIfReady();
    }

    boolean isSuspended() {
        return work.isStopped();
    }

    QueueThread thread() {
        return thread;
    }

    private void resetQuiesced() {
        controller.disable();
        registers.reset();
    }

    private void wakeIfReady() {
        if (registers.isReady()) {
            thread.wake();
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
            if (!doorbells.isLive(doorbell)) {
                reportInvalid();
                return;
            }
            doorbells.set(doorbell, value);
            doorbellCount.incrementAndGet();
            work.doorbellRung();
            thread.wake();
        }

        /** Once, until the queue thread has heard of it. */
        private void reportInvalid() {
            if (!invalidDoorbell.getAndSet(true)) {
                thread.runQuiesced(() -> {
                    invalidDoorbell.set(false);
                    tally.faults++;
                    handler.asynchronousEvent(
                            EVENT_ERROR_STATUS, EVENT_WRITE_TO_INVALID_DOORBELL_REGISTER, LOG_ERROR_INFORMATION);
                });
            }
        }
    }

    private final class Steps implements NvmeRegisters.Effects {

        @Override
        public void enable() {
            thread.runQuiesced(controller::enable, RESET_WAIT_NS);
            thread.wake();
        }

        @Override
        public void disable() {
            thread.runQuiesced(controller::disable, RESET_WAIT_NS);
        }

        @Override
        public void shutdown() {
            registers.setShutdownStatus(CSTS_SHST_OCCURRING);
            // On the thread, since storage may take its time: a write of a register must not.
            thread.wake();
            thread.runQuiesced(controller::shutdown);
        }

        @Override
        public void interruptMaskChanged() {
            wakeIfReady();
        }
    }

    private final class OwnThreads implements Controller.Threads {

        @Override
        public void wake() {
            thread.wake();
        }

        @Override
        public void run(Runnable task) {
            thread.runQuiesced(() -> {
                if (work.isStopped()) {
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

        /** What its thread and its log lines are called. */
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

        /** @throws org.vfio4j.sys.ErrnoException E2BIG for more than 256 namespaces */
        public Nvme build() {
            return new Nvme(this, handler.apply(this));
        }
    }
}
