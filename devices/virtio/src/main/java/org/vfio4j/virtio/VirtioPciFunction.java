package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_ACCESS_PLATFORM;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_SR_IOV;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_VERSION_1;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_RING_F_EVENT_IDX;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_RING_F_INDIRECT_DESC;
import static org.vfio4j.virtio.VirtioConfig.feature;
import static org.vfio4j.virtio.VirtioPci.PCI_VENDOR_ID_REDHAT_QUMRANET;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_DEVICE_ID_BASE;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.SriovRole;

/**
 * A virtio device on the PCI transport (Virtual I/O Device 1.2, 4.1), modern only: its parts put together, and what the bus asks of it. All
 * structures are in {@link VirtioBar}. Called by the function's thread.
 */
public final class VirtioPciFunction implements DeviceModel, AutoCloseable {

    private static final int MSIX_BAR = 1;
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

    /** As long for a function level reset, of the 100 ms that a driver gives it (PCI Express Base 6.0, 6.6.2). */
    private static final long FUNCTION_RESET_WAIT_NS = 80_000_000;

    private final VirtioDevice device;
    private final VirtioStatus status = new VirtioStatus();
    private final VirtioInterrupts interrupts;
    private final CommonConfig common;
    private final PciConfigAccess window;
    private final ServedQueues queues;
    private final VirtioFunctionJournal journal;
    private final DeviceRecorder statistics;
    private final EmulatedFunction function;

    public VirtioPciFunction(VirtioDevice device, QueuePolling polling) {
        this(device, polling, SriovRole.NONE);
    }

    /** @param role what it has to do with SR-IOV */
    public VirtioPciFunction(VirtioDevice device, QueuePolling polling, SriovRole role) {
        this.device = device;
        int deviceId = VIRTIO_PCI_DEVICE_ID_BASE + device.virtioId();
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(PCI_VENDOR_ID_REDHAT_QUMRANET, deviceId);
        int vectors = device.queueCount() + 1;
        interrupts = new VirtioInterrupts(builder.interrupts(), device.queueCount(), vectors);
        statistics = new DeviceRecorder(device.name(), device.queueCount(), device.slowNs(), this::cpuNs);
        queues = new ServedQueues(device, status, interrupts, statistics, polling);
        long ofRole = role instanceof SriovRole.Physical ? 1L << VIRTIO_F_SR_IOV : 0;
        long features = device.features() | TRANSPORT_FEATURES | ofRole;
        common = new CommonConfig(device, features, status, interrupts, new Steps());
        VirtioBar bar =
                new VirtioBar(common, interrupts, device.config(), queues::driverNotified, this::registersChanged);
        window = new PciConfigAccess(VirtioBar.INDEX, VirtioBar.SIZE_BYTES, bar, this::registersChanged);
        VirtioState.Shape shape =
                new VirtioState.Shape(device.virtioId(), device.queueCount(), device.maxQueueSize(), features);
        VirtioRegisters registers = new VirtioRegisters(device, shape, common, interrupts, window, queues);
        journal = new VirtioFunctionJournal(device, registers, queues, this::createQueue);
        builder.subsystem(PCI_VENDOR_ID_REDHAT_QUMRANET, SUBSYSTEM_ID)
                .classCode(device.classCode(), REVISION)
                .bar(VirtioBar.bar(), bar)
                .msix(vectors, MSIX_BAR);
        VirtioBar.capabilities().forEach(builder::capability);
        builder.capability(window.capability())
                .powerManagement()
                .pciExpress()
                .notifications(VirtioBar.INDEX, bar.notifications())
                .platform(DeviceStatistics.class, statistics)
                .platform(
                        FunctionState.class,
                        new VirtioFunctionState(
                                device, status, common, interrupts, queues, registers, journal, this::createQueue))
                .platform(FunctionJournal.class, journal);
        role.addTo(builder, deviceId);
        function = builder.build(this);
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
        return queues.faultCount();
    }

    /** Whether the device has any thread now. */
    public boolean isBusy() {
        return queues.isRunning();
    }

    /** Something that its requests wait for has changed: its threads look again. From any thread. */
    public void wake() {
        queues.wake();
    }

    /**
     * Changes the device-specific configuration while a driver may read it (2.5.1), and has a queue thread tell the driver. From any thread.
     *
     * @param change what {@link VirtioDevice#config} reads from then on is changed by it
     */
    public void changeConfig(Runnable change) {
        // Twice: whoever reads across the change sees another generation, whether he began before it or in it.
        common.configChanged();
        change.run();
        common.configChanged();
        if ((status.get() & VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
            queues.announceConfig();
        }
    }

    @Override
    public void attachDma(DmaSpace space) {
        queues.attach(space);
    }

    @Override
    public void detachDma() {
        queues.detach();
    }

    @Override
    public void busMasterChanged(boolean enabled) {
        queues.setBusMaster(enabled);
    }

    @Override
    public void reset() {
        reset(Long.MAX_VALUE);
    }

    /** What the storage has stays under way if it must, and the status what it was until that is over, as in a reset by the driver. */
    @Override
    public void initiateReset() {
        // A status of 0 cannot say that there is anything to wait for; nor is there: it has no queues.
        reset(common.status() == 0 ? Long.MAX_VALUE : FUNCTION_RESET_WAIT_NS);
    }

    private void reset(long waitNs) {
        common.beginReset();
        int suspensions = queues.suspensions();
        queues.runQuiesced(
                () -> {
                    resetQuiesced();
                    // Not if that is what came next, before the end of a reset that is late.
                    queues.goOnSince(suspensions);
                },
                waitNs);
        window.reset();
        registersChanged();
    }

    /** Ends the device's threads. The function must not be used any more. */
    @Override
    public void close() {
        common.beginReset();
        queues.callQuiesced(this::resetQuiesced);
        queues.close();
    }

    private void resetQuiesced() {
        try {
            queues.replace(List.of());
            device.negotiated(0);
        } finally {
            common.reset();
        }
    }

    private void registersChanged() {
        journal.registersChanged();
    }

    private long cpuNs() {
        return queues.cpuNs();
    }

    private SplitQueue createQueue(int index) {
        return common.queue(index)
                .create(
                        index,
                        device.maxQueueSize(),
                        common.driverFeatures(),
                        statistics.queue(index),
                        journal.queue(index));
    }

    private final class Steps implements CommonConfig.Steps {

        @Override
        public void negotiated(long features) {
            device.negotiated(features);
        }

        @Override
        public void queuesReady() {
            List<SplitQueue> news = new ArrayList<>();
            for (int i = 0; i < common.queueCount(); i++) {
                // One that is served already goes on where it is.
                if (common.queue(i).isEnabled() && queues.find(i).isEmpty()) {
                    SplitQueue queue = createQueue(i);
                    queue.begin(0, 0);
                    news.add(queue);
                }
            }
            // Before the first chain is taken: whoever finds one in flight must find that the queue is served.
            registersChanged();
            queues.add(news);
        }

        @Override
        public void resetWanted() {
            common.beginReset();
            queues.runQuiesced(VirtioPciFunction.this::resetQuiesced, RESET_WAIT_NS);
        }
    }
}
