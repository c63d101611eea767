package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_ACCESS_PLATFORM;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_VERSION_1;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_RING_F_EVENT_IDX;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_RING_F_INDIRECT_DESC;
import static org.vfio4j.virtio.VirtioConfig.feature;
import static org.vfio4j.virtio.VirtioPci.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.Capability;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueThread;
import org.vfio4j.devicemodel.Register;

/**
 * A virtio device on the PCI transport (Virtual I/O Device 1.2, 4.1), modern only. Called by the function's thread.
 *
 * <p>All structures are in BAR 4, each in a page of its own, at the places where SPDK's driver looks for them without asking:
 *
 * <pre>
 *   0x0000  common configuration     0x2000  device-specific configuration
 *   0x1000  ISR status               0x3000  notifications, 4 bytes for each queue
 * </pre>
 */
public final class VirtioPciFunction implements DeviceModel, AutoCloseable {

    private static final int BAR = 4;
    private static final int MSIX_BAR = 1;
    private static final int PAGE = 0x1000;
    private static final int BAR_BYTES = 4 * PAGE;
    private static final int COMMON_PAGE = 0;
    private static final int ISR_PAGE = 1;
    private static final int DEVICE_PAGE = 2;
    private static final int NOTIFY_PAGE = 3;
    private static final int NOTIFY_MULTIPLIER = 4;
    private static final int SUBSYSTEM_ID = 0x1100;
    private static final int REVISION = 1;

    private static final long TRANSPORT_FEATURES = feature(VIRTIO_F_VERSION_1)
            | feature(VIRTIO_F_ACCESS_PLATFORM)
            | feature(VIRTIO_RING_F_INDIRECT_DESC)
            | feature(VIRTIO_RING_F_EVENT_IDX);

    /**
     * How long a write of 0 to the status waits for the queues to stop. They need microseconds, and some drivers do not wait
     * for the 0; but a thread that waits for the driver's own answer must not be waited for.
     */
    private static final long RESET_WAIT_NS = 10_000_000;

    private final VirtioDevice device;
    private final VirtioStatus status = new VirtioStatus();
    private final VirtioInterrupts interrupts;
    private final CommonConfig common;
    private final VirtioQueues queues;
    private final QueueThread thread;
    private final EmulatedFunction function;
    private final PciConfigAccess window;
    private final VirtioState.Shape shape;
    private final AtomicLong notificationCount = new AtomicLong();

    // Replaced by the function's thread, or while it sees a reset under way.
    private volatile SplitQueue[] served = {};

    public VirtioPciFunction(VirtioDevice device, QueuePolling polling) {
        this.device = device;
        long features = device.features() | TRANSPORT_FEATURES;
        shape = new VirtioState.Shape(device.virtioId(), device.queueCount(), device.maxQueueSize(), features);
        int vectors = device.queueCount() + 1;
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(
                        PCI_VENDOR_ID_REDHAT_QUMRANET, VIRTIO_PCI_DEVICE_ID_BASE + device.virtioId())
                .subsystem(PCI_VENDOR_ID_REDHAT_QUMRANET, SUBSYSTEM_ID)
                .classCode(device.classCode(), REVISION)
                .intx();
        BarHandler structures = new Structures();
        window = new PciConfigAccess(BAR, BAR_BYTES, structures);
        builder.bar(new PciBar(BAR, BAR_BYTES, PciBar.Kind.MEM64, true), structures)
                .msix(vectors, MSIX_BAR)
                .capability(structure(VIRTIO_PCI_CAP_COMMON_CFG, COMMON_PAGE, VIRTIO_PCI_CAP_SIZE))
                .capability(structure(VIRTIO_PCI_CAP_ISR_CFG, ISR_PAGE, VIRTIO_PCI_CAP_SIZE))
                .capability(structure(VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_PAGE, VIRTIO_PCI_CAP_SIZE))
                .capability(structure(VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_PAGE, VIRTIO_PCI_CAP_SIZE + 4))
                .capability(window.capability())
                .powerManagement()
                .pciExpress()
                .notifications(BAR, notifications(device.queueCount()))
                .platform(FunctionState.class, new State());
        function = builder.build(this);
        interrupts = new VirtioInterrupts(function.interrupts(), device.queueCount(), vectors);
        common = new CommonConfig(device, features, status, interrupts, new Steps());
        queues = new VirtioQueues(device, status, interrupts, polling.always());
        thread = new QueueThread(device.name(), queues, polling);
    }

    private List<BarNotification> notifications(int queueCount) {
        return IntStream.range(0, queueCount)
                .mapToObj(queue -> new BarNotification(
                        (long) NOTIFY_PAGE * PAGE + (long) NOTIFY_MULTIPLIER * queue,
                        Short.BYTES,
                        this::driverNotified))
                .toList();
    }

    // The function's thread, or whoever watches the driver's eventfds.
    private void driverNotified() {
        if (status.isLive()) {
            notificationCount.incrementAndGet();
            queues.driverNotified();
            thread.wake();
        }
    }

    public PciFunction function() {
        return function;
    }

    /** How often the driver has notified. */
    public long notificationCount() {
        return notificationCount.get();
    }

    /** How many interrupts were raised for queues. */
    public long interruptCount() {
        return queues.interruptCount();
    }

    /** How often the driver made the device ask for a reset. */
    public long faultCount() {
        return queues.faultCount();
    }

    /** Whether the device has a thread now. */
    public boolean isBusy() {
        return thread.isRunning();
    }

    @Override
    public void attachDma(DmaSpace space) {
        thread.attach(space);
    }

    @Override
    public void detachDma() {
        thread.detach();
    }

    @Override
    public void busMasterChanged(boolean enabled) {
        queues.setBusMaster(enabled);
        if (status.isLive()) {
            thread.wake();
        }
    }

    @Override
    public void reset() {
        common.beginReset();
        thread.callQuiesced(() -> {
            resetQuiesced();
            queues.setSuspended(false);
        });
    }

    /** Ends the device's thread. The function must not be used any more. */
    @Override
    public void close() {
        common.beginReset();
        thread.callQuiesced(this::resetQuiesced);
        thread.close();
    }

    private void resetQuiesced() {
        serve(List.of());
        device.negotiated(0);
        common.reset();
    }

    /** Serves these queues and no others; while the queues are stopped. */
    private void serve(List<SplitQueue> others) {
        for (SplitQueue queue : served) {
            queue.close();
        }
        served = others.toArray(SplitQueue[]::new);
        queues.use(served);
    }

    private byte[] saveQuiesced() {
        List<VirtioState.Queue> all = new ArrayList<>();
        for (int i = 0; i < common.queueCount(); i++) {
            int index = i;
            all.add(Arrays.stream(served)
                    .filter(queue -> queue.index() == index)
                    .findFirst()
                    .map(queue -> common.saveQueue(index, queue.toldAvail(), queue.published()))
                    .orElseGet(() -> common.saveQueue(index, 0, 0)));
        }
        return new VirtioState(common.save(), interrupts.isr(), window.save(), all, device.saveState()).toBytes(shape);
    }

    private void loadQuiesced(VirtioState state, Runnable loadDevice) {
        common.load(state);
        window.load(state.window(), function);
        device.negotiated(state.common().isFeaturesOk() ? state.common().driverFeatures() : 0);
        loadDevice.run();
        List<SplitQueue> all = new ArrayList<>();
        for (int i = 0; i < common.queueCount() && state.common().isDriverOk(); i++) {
            if (common.queue(i).isEnabled()) {
                SplitQueue queue = common.queue(i).create(i, device.maxQueueSize(), common.driverFeatures());
                queue.begin(
                        state.queues().get(i).nextAvail(), state.queues().get(i).usedIndex());
                all.add(queue);
            }
        }
        serve(all);
        queues.announce();
    }

    private static Capability structure(int type, int page, int sizeBytes) {
        return Capability.vendorSpecific(sizeBytes, at -> {
            List<Register> registers = new ArrayList<>(List.of(
                    Register.at(at + VIRTIO_PCI_CAP_LEN, 1, "cap_len").reset(sizeBytes),
                    Register.at(at + VIRTIO_PCI_CAP_CFG_TYPE, 1, "cfg_type").reset(type),
                    Register.at(at + VIRTIO_PCI_CAP_BAR, 1, "bar").reset(BAR),
                    Register.at(at + VIRTIO_PCI_CAP_OFFSET, 4, "offset").reset((long) page * PAGE),
                    Register.at(at + VIRTIO_PCI_CAP_LENGTH, 4, "length").reset(PAGE)));
            if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
                registers.add(Register.at(at + VIRTIO_PCI_CAP_SIZE, 4, "notify_off_multiplier")
                        .reset(NOTIFY_MULTIPLIER));
            }
            return registers;
        });
    }

    /** BAR 4. */
    private final class Structures implements BarHandler {

        @Override
        public long read(long offset, int width) {
            return switch ((int) (offset / PAGE)) {
                case COMMON_PAGE -> common.read(offset, width);
                case ISR_PAGE -> offset == ISR_PAGE * PAGE ? interrupts.readIsr() : 0;
                case DEVICE_PAGE -> device.config().read(offset % PAGE, width);
                default -> 0;
            };
        }

        @Override
        public void write(long offset, int width, long value) {
            switch ((int) (offset / PAGE)) {
                case COMMON_PAGE -> common.write(offset, width, value);
                case DEVICE_PAGE -> device.config().write(offset % PAGE, width, value);
                case NOTIFY_PAGE -> driverNotifies(offset % PAGE);
                default -> {}
            }
        }

        private void driverNotifies(long offset) {
            if (offset < (long) NOTIFY_MULTIPLIER * common.queueCount()) {
                driverNotified();
            }
        }
    }

    /** What a live migration moves: {@link VirtioState}. Registers live on while it is suspended, queues do not. */
    private final class State implements FunctionState {

        // The driver has not been told yet what it may have missed.
        private boolean isNew;

        @Override
        public void suspend() {
            queues.setSuspended(true);
            thread.callQuiesced(() -> {});
        }

        @Override
        public void resume() {
            queues.setSuspended(false);
            interrupts.driveLine();
            if (status.isLive()) {
                thread.wake();
            } else if (isNew && (status.get() & VIRTIO_CONFIG_S_NEEDS_RESET) != 0) {
                interrupts.config();
            }
            isNew = false;
        }

        @Override
        public int sizeBytes() {
            return VirtioState.sizeBytes(shape, device.saveState().length);
        }

        @Override
        public byte[] save() {
            AtomicReference<byte[]> saved = new AtomicReference<>(new byte[0]);
            thread.callQuiesced(() -> saved.set(saveQuiesced()));
            return saved.get();
        }

        @Override
        public void load(byte[] state) {
            VirtioState parsed = VirtioState.parse(state, shape);
            Runnable loadDevice = device.loadState(parsed.device());
            thread.callQuiesced(() -> loadQuiesced(parsed, loadDevice));
            isNew = true;
        }
    }

    private final class Steps implements CommonConfig.Steps {

        @Override
        public void negotiated(long features) {
            device.negotiated(features);
        }

        @Override
        public void queuesReady() {
            // A queue that is served already goes on where it is.
            List<SplitQueue> all = new ArrayList<>(List.of(served));
            for (int i = 0; i < common.queueCount(); i++) {
                int index = i;
                if (common.queue(i).isEnabled() && all.stream().noneMatch(queue -> queue.index() == index)) {
                    all.add(common.queue(i).create(i, device.maxQueueSize(), common.driverFeatures()));
                }
            }
            SplitQueue[] now = all.toArray(SplitQueue[]::new);
            served = now;
            thread.runQuiesced(() -> queues.use(now));
            thread.wake();
        }

        @Override
        public void resetWanted() {
            common.beginReset();
            thread.runQuiesced(VirtioPciFunction.this::resetQuiesced, RESET_WAIT_NS);
        }
    }
}
