package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_FEATURES_OK;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_VERSION_1;
import static org.vfio4j.virtio.VirtioPci.*;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.RegisterSet;

/**
 * The common configuration structure (Virtual I/O Device 1.2, 4.1.4.3): negotiation of features, set-up of queues, the device
 * status. Belongs to the function's thread; {@link #reset} is called while the queues are stopped and that thread either waits
 * or sees {@link #isResetting}.
 */
final class CommonConfig implements BarHandler {

    /** What the driver's steps set going. */
    interface Steps {

        /** {@code FEATURES_OK} was accepted. */
        void negotiated(long features);

        /** The set of queues to serve has changed: the driver is ready, or has enabled another one after that. */
        void queuesReady();

        /** The driver wrote 0 to the status: {@link #reset} is to be called when the queues have stopped. */
        void resetWanted();
    }

    /** Features beyond these 64 bits do not exist yet and read as zero. */
    private static final int FEATURE_WORDS = 2;

    private final VirtioStatus status;
    private final VirtioInterrupts interrupts;
    private final Steps steps;
    private final long deviceFeatures;
    private final QueueConfig[] queues;
    private final RegisterSet registers;

    // Resets that have begun and are not over, and the status when the first of them began.
    private final AtomicInteger resets = new AtomicInteger();
    private int statusBefore;

    private long deviceFeatureSelect;
    private long driverFeatureSelect;
    private long driverFeatures;
    private int queueSelect;
    private final AtomicInteger generation = new AtomicInteger();

    CommonConfig(VirtioDevice device, long features, VirtioStatus status, VirtioInterrupts interrupts, Steps steps) {
        this.status = status;
        this.interrupts = interrupts;
        this.steps = steps;
        deviceFeatures = features;
        queues = new QueueConfig[device.queueCount()];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new QueueConfig(device.maxQueueSize());
        }
        registers = declare();
    }

    @Override
    public long read(long offset, int width) {
        return registers.read(offset, width);
    }

    /** While a reset is under way the driver has to wait for it (2.4, 4.1.4.3.2), and what it writes all the same is lost. */
    @Override
    public void write(long offset, int width, long value) {
        if (!isResetting()) {
            registers.write(offset, width, value);
        }
    }

    long driverFeatures() {
        return driverFeatures;
    }

    QueueConfig queue(int index) {
        return queues[index];
    }

    int queueCount() {
        return queues.length;
    }

    boolean isResetting() {
        return resets.get() != 0;
    }

    /** A reset begins: until its {@link #reset} the driver reads the status that it is now, and another's beginning is waited for as well. */
    synchronized void beginReset() {
        if (resets.getAndIncrement() == 0) {
            statusBefore = status.get();
        }
    }

    /** What has begun is over: everything as after power-on (2.4), and the status 0 at last. */
    void reset() {
        clear();
        // Whoever reads 0 may write, and none of that is lost.
        resets.decrementAndGet();
    }

    /** The status as the driver reads it. */
    synchronized int status() {
        return isResetting() ? statusBefore : status.get();
    }

    private void clear() {
        deviceFeatureSelect = 0;
        driverFeatureSelect = 0;
        driverFeatures = 0;
        queueSelect = 0;
        for (QueueConfig queue : queues) {
            queue.reset();
        }
        interrupts.reset();
        status.clear();
    }

    /** The device-specific configuration has changed (2.5.1). From any thread. */
    void configChanged() {
        generation.incrementAndGet();
    }

    VirtioState.Common save() {
        return new VirtioState.Common(
                deviceFeatureSelect,
                driverFeatureSelect,
                driverFeatures,
                queueSelect,
                generation.get() & 0xff,
                status.get(),
                interrupts.configVector());
    }

    VirtioState.Queue saveQueue(int index, int nextAvail, int usedIndex) {
        QueueConfig queue = queues[index];
        return new VirtioState.Queue(
                queue.size(),
                queue.isEnabled(),
                interrupts.queueVector(index),
                queue.desc(),
                queue.avail(),
                queue.used(),
                nextAvail,
                usedIndex);
    }

    /** Everything as a checked state has it; only while the queues are stopped. */
    void load(VirtioState state) {
        clear();
        VirtioState.Common from = state.common();
        deviceFeatureSelect = from.deviceFeatureSelect();
        driverFeatureSelect = from.driverFeatureSelect();
        driverFeatures = from.driverFeatures();
        queueSelect = from.queueSelect();
        generation.set(from.generation());
        interrupts.setConfigVector(from.configVector());
        for (int i = 0; i < queues.length; i++) {
            queues[i].load(state.queues().get(i));
            interrupts.setQueueVector(i, state.queues().get(i).vector());
        }
        interrupts.loadIsr(state.isr());
        status.add(from.status());
    }

    private RegisterSet declare() {
        return RegisterSet.of(
                VIRTIO_PCI_COMMON_SIZE,
                register(VIRTIO_PCI_COMMON_DFSELECT, 4, "device_feature_select", () -> deviceFeatureSelect)
                        .writable()
                        .onWrite(value -> deviceFeatureSelect = value),
                register(VIRTIO_PCI_COMMON_DF, 4, "device_feature", () -> word(deviceFeatures, deviceFeatureSelect)),
                register(VIRTIO_PCI_COMMON_GFSELECT, 4, "driver_feature_select", () -> driverFeatureSelect)
                        .writable()
                        .onWrite(value -> driverFeatureSelect = value),
                register(VIRTIO_PCI_COMMON_GF, 4, "driver_feature", () -> word(driverFeatures, driverFeatureSelect))
                        .writable()
                        .onWrite(this::setDriverFeatures),
                register(VIRTIO_PCI_COMMON_MSIX, 2, "config_msix_vector", interrupts::configVector)
                        .writable()
                        .onWrite(value -> interrupts.setConfigVector((int) value)),
                register(VIRTIO_PCI_COMMON_NUMQ, 2, "num_queues", () -> queues.length),
                register(VIRTIO_PCI_COMMON_STATUS, 1, "device_status", this::status)
                        .writable()
                        .onWrite(value -> setStatus((int) value)),
                register(VIRTIO_PCI_COMMON_CFGGENERATION, 1, "config_generation", () -> generation.get() & 0xff),
                register(VIRTIO_PCI_COMMON_Q_SELECT, 2, "queue_select", () -> queueSelect)
                        .writable()
                        .onWrite(value -> queueSelect = (int) value),
                ofQueue(
                        VIRTIO_PCI_COMMON_Q_SIZE,
                        2,
                        "queue_size",
                        QueueConfig::size,
                        value -> selected().ifPresent(queue -> queue.setSize(value))),
                register(VIRTIO_PCI_COMMON_Q_MSIX, 2, "queue_msix_vector", this::queueVector)
                        .writable()
                        .onWrite(this::setQueueVector),
                ofQueue(VIRTIO_PCI_COMMON_Q_ENABLE, 2, "queue_enable", q -> q.isEnabled() ? 1 : 0, this::enableQueue),
                ofQueue(VIRTIO_PCI_COMMON_Q_NOFF, 2, "queue_notify_off", queue -> queueSelect, value -> {}),
                ofQueue(
                        VIRTIO_PCI_COMMON_Q_DESCLO,
                        8,
                        "queue_desc",
                        QueueConfig::desc,
                        value -> selected().ifPresent(queue -> queue.setDesc(value))),
                ofQueue(
                        VIRTIO_PCI_COMMON_Q_AVAILLO,
                        8,
                        "queue_driver",
                        QueueConfig::avail,
                        value -> selected().ifPresent(queue -> queue.setAvail(value))),
                ofQueue(
                        VIRTIO_PCI_COMMON_Q_USEDLO,
                        8,
                        "queue_device",
                        QueueConfig::used,
                        value -> selected().ifPresent(queue -> queue.setUsed(value))));
    }

    private static Register register(int at, int width, String name, LongSupplier value) {
        return Register.at(at, width, name).computed(value);
    }

    /** A register of the selected queue; of a queue that does not exist it reads as zero. */
    private Register ofQueue(int at, int width, String name, ToLongFunction<QueueConfig> get, LongConsumer set) {
        return register(at, width, name, () -> selected().map(get::applyAsLong).orElse(0L))
                .writable()
                .onWrite(set);
    }

    private Optional<QueueConfig> selected() {
        return queueSelect < queues.length ? Optional.of(queues[queueSelect]) : Optional.empty();
    }

    private static long word(long features, long select) {
        return select < FEATURE_WORDS ? (features >>> (Integer.SIZE * select)) & 0xffff_ffffL : 0;
    }

    private void setDriverFeatures(long value) {
        if (driverFeatureSelect < FEATURE_WORDS && (status.get() & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
            int shift = (int) (Integer.SIZE * driverFeatureSelect);
            driverFeatures = (driverFeatures & ~(0xffff_ffffL << shift)) | (value << shift);
        }
    }

    private void setStatus(int value) {
        if (value == 0) {
            if (status.get() != 0) {
                steps.resetWanted();
            }
            return;
        }
        int accepted = value & ~VIRTIO_CONFIG_S_NEEDS_RESET;
        boolean legal = (driverFeatures & ~deviceFeatures) == 0 && VirtioConfig.has(driverFeatures, VIRTIO_F_VERSION_1);
        if (!legal) {
            accepted &= ~VIRTIO_CONFIG_S_FEATURES_OK;
        }
        if (((status.get() | accepted) & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
            accepted &= ~VIRTIO_CONFIG_S_DRIVER_OK;
        }
        int news = accepted & ~status.get();
        if ((news & VIRTIO_CONFIG_S_FEATURES_OK) != 0) {
            steps.negotiated(driverFeatures);
        }
        status.add(accepted);
        if ((news & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
            steps.queuesReady();
        }
    }

    private long queueVector() {
        return queueSelect < queues.length ? interrupts.queueVector(queueSelect) : VIRTIO_MSI_NO_VECTOR;
    }

    private void setQueueVector(long value) {
        if (queueSelect < queues.length) {
            interrupts.setQueueVector(queueSelect, (int) value);
        }
    }

    /** Writing 0 is not allowed to the driver and does nothing. */
    private void enableQueue(long value) {
        boolean news = value == 1 && selected().map(QueueConfig::enable).orElse(false);
        if (news && (status.get() & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
            steps.queuesReady();
        }
    }
}
