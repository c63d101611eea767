package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_ACCESS_PLATFORM;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_SR_IOV;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_VERSION_1;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_RING_F_EVENT_IDX;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_RING_F_INDIRECT_DESC;
import static org.vfio4j.virtio.VirtioConfig.feature;
import static org.vfio4j.virtio.VirtioPci.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.Capability;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueThreads;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.SriovRole;

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
    // One for each queue thread: queue i belongs to the thread i modulo their number.
    private final VirtioQueues[] shares;
    private final QueueThreads threads;
    private final EmulatedFunction function;
    private final DeviceRecorder statistics;
    private final PciConfigAccess window;
    private final VirtioState.Shape shape;

    // Replaced by the function's thread, or while it sees a reset under way.
    private volatile SplitQueue[] served = {};

    public VirtioPciFunction(VirtioDevice device, QueuePolling polling) {
        this(device, polling, SriovRole.NONE);
    }

    /** @param role what it has to do with SR-IOV */
    public VirtioPciFunction(VirtioDevice device, QueuePolling polling, SriovRole role) {
        this.device = device;
        statistics = new DeviceRecorder(device.name(), device.queueCount(), device.slowNs(), this::cpuNs);
        long ofRole = role instanceof SriovRole.Physical ? 1L << VIRTIO_F_SR_IOV : 0;
        long features = device.features() | TRANSPORT_FEATURES | ofRole;
        shape = new VirtioState.Shape(device.virtioId(), device.queueCount(), device.maxQueueSize(), features);
        int vectors = device.queueCount() + 1;
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(
                        PCI_VENDOR_ID_REDHAT_QUMRANET, VIRTIO_PCI_DEVICE_ID_BASE + device.virtioId())
                .subsystem(PCI_VENDOR_ID_REDHAT_QUMRANET, SUBSYSTEM_ID)
                .classCode(device.classCode(), REVISION);
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
                .platform(DeviceStatistics.class, statistics)
                .platform(FunctionState.class, new State());
        role.addTo(builder, VIRTIO_PCI_DEVICE_ID_BASE + device.virtioId());
        function = builder.build(this);
        interrupts = new VirtioInterrupts(function.interrupts(), device.queueCount(), vectors);
        common = new CommonConfig(device, features, status, interrupts, new Steps());
        int threadCount = device.threadCount();
        shares = new VirtioQueues[threadCount];
        for (int i = 0; i < threadCount; i++) {
            shares[i] = new VirtioQueues(device.name(), device, status, interrupts, polling.always());
        }
        threads = new QueueThreads(device.name(), List.of(shares), polling, device.cpus());
    }

    private List<BarNotification> notifications(int queueCount) {
        return IntStream.range(0, queueCount)
                .mapToObj(queue -> new BarNotification(
                        (long) NOTIFY_PAGE * PAGE + (long) NOTIFY_MULTIPLIER * queue,
                        Short.BYTES,
                        () -> driverNotified(queue)))
                .toList();
    }

    // The function's thread, or whoever watches the driver's eventfds.
    private void driverNotified(int queue) {
        if (status.isLive()) {
            statistics.queue(queue).notified();
            int share = queue % shares.length;
            shares[share].driverNotified();
            threads.wake(share);
        }
    }

    public PciFunction function() {
        return function;
    }

    /** What its queues have done, also to be had from the function. */
    public DeviceStatistics statistics() {
        return statistics;
    }

    /** How often the driver made the device ask for a reset. */
    public long faultCount() {
        return Arrays.stream(shares).mapToLong(VirtioQueues::faultCount).sum();
    }

    /** Whether the device has any thread now. */
    public boolean isBusy() {
        return threads.isRunning();
    }

    /** Something that its requests wait for has changed: its threads look again. From any thread. */
    public void wake() {
        if (status.isLive()) {
            threads.wakeAll();
        }
    }

    /**
     * Changes the device-specific configuration while a driver may read it (2.5.1), and tells the driver. From any thread.
     *
     * @param change what {@link VirtioDevice#config} reads from then on is changed by it
     */
    public void changeConfig(Runnable change) {
        // Twice: whoever reads across the change sees another generation, whether he began before it or in it.
        common.configChanged();
        change.run();
        common.configChanged();
        if ((status.get() & VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
            interrupts.config();
        }
    }

    @Override
    public void attachDma(DmaSpace space) {
        threads.attach(space);
    }

    @Override
    public void detachDma() {
        threads.detach();
    }

    @Override
    public void busMasterChanged(boolean enabled) {
        for (VirtioQueues share : shares) {
            share.setBusMaster(enabled);
        }
        wake();
    }

    @Override
    public void reset() {
        common.beginReset();
        threads.callQuiesced(() -> {
            resetQuiesced();
            setSuspended(false);
        });
    }

    /** Ends the device's threads. The function must not be used any more. */
    @Override
    public void close() {
        common.beginReset();
        threads.callQuiesced(this::resetQuiesced);
        threads.close();
    }

    private void setSuspended(boolean stop) {
        for (VirtioQueues share : shares) {
            share.setSuspended(stop);
        }
    }

    private long cpuNs() {
        return threads.cpuNs();
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
        use(served);
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
                SplitQueue queue =
                        common.queue(i).create(i, device.maxQueueSize(), common.driverFeatures(), statistics.queue(i));
                queue.begin(
                        state.queues().get(i).nextAvail(), state.queues().get(i).usedIndex());
                all.add(queue);
            }
        }
        serve(all);
        for (VirtioQueues share : shares) {
            share.announce();
        }
    }

    /** Shares queues out; only while all threads are quiesced. */
    private void use(SplitQueue[] all) {
        for (int i = 0; i < shares.length; i++) {
            int share = i;
            shares[i].use(Arrays.stream(all)
                    .filter(queue -> queue.index() % shares.length == share)
                    .toArray(SplitQueue[]::new));
        }
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
                case NOTIFY_PAGE -> driverNotifies((int) (offset % PAGE));
                default -> {}
            }
        }

        private void driverNotifies(int offset) {
            if (offset < NOTIFY_MULTIPLIER * common.queueCount()) {
                driverNotified(offset / NOTIFY_MULTIPLIER);
            }
        }
    }

    /** What a live migration moves: {@link VirtioState}. Registers live on while it is suspended, queues do not. */
    private final class State implements FunctionState {

        // The driver has not been told yet what it may have missed.
        private boolean isNew;

        @Override
        public void suspend() {
            setSuspended(true);
            threads.callQuiesced(() -> {});
        }

        @Override
        public void resume() {
            setSuspended(false);
            interrupts.driveLine();
            wake();
            if (isNew && (status.get() & VIRTIO_CONFIG_S_NEEDS_RESET) != 0) {
                interrupts.config();
            }
            isNew = false;
        }

        @Override
        public void release() {
            device.release();
        }

        @Override
        public void claim() {
            device.claim();
        }

        @Override
        public int sizeBytes() {
            return VirtioState.sizeBytes(shape, device.saveState().length);
        }

        @Override
        public byte[] save() {
            AtomicReference<byte[]> saved = new AtomicReference<>(new byte[0]);
            threads.callQuiesced(() -> saved.set(saveQuiesced()));
            return saved.get();
        }

        @Override
        public void load(byte[] state) {
            VirtioState parsed = VirtioState.parse(state, shape);
            Runnable loadDevice = device.loadState(parsed.device());
            threads.callQuiesced(() -> loadQuiesced(parsed, loadDevice));
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
                    all.add(common.queue(i)
                            .create(i, device.maxQueueSize(), common.driverFeatures(), statistics.queue(i)));
                }
            }
            SplitQueue[] now = all.toArray(SplitQueue[]::new);
            served = now;
            threads.runQuiesced(() -> use(now));
            threads.wakeAll();
        }

        @Override
        public void resetWanted() {
            common.beginReset();
            threads.runQuiesced(VirtioPciFunction.this::resetQuiesced, RESET_WAIT_NS);
        }
    }
}
