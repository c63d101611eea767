package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_FEATURES_OK;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_VERSION_1;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_MSI_NO_VECTOR;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_ISR_CONFIG;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_ISR_QUEUE;
import static org.vfio4j.virtio.VirtioRing.VRING_AVAIL_ALIGN;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_ALIGN;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_ALIGN;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.devicemodel.StateRecord;
import org.vfio4j.devicemodel.StateRecords;

/**
 * All that a virtio function is to its driver, apart from what the specification puts into the driver's own memory, and apart
 * from the configuration space and MSI-X table that whoever gave the function to the driver restores. Immutable; checked as a
 * whole when it is read.
 *
 * @param common what the common configuration structure holds
 * @param isr the ISR status
 * @param window the PCI configuration access capability
 * @param queues each queue of the device, by index
 * @param device what the device type has to say
 */
record VirtioState(Common common, int isr, Window window, List<Queue> queues, byte[] device) {

    /** Of the layout of the records. */
    static final int VERSION = 1;

    private static final int TAG_KIND = 1;
    private static final int TAG_COMMON = 2;
    private static final int TAG_WINDOW = 3;
    private static final int TAG_QUEUE = 4;
    private static final int TAG_DEVICE = 5;

    private static final int KIND_BYTES = 16;
    private static final int COMMON_BYTES = 32;
    private static final int WINDOW_BYTES = 12;
    private static final int QUEUE_BYTES = 40;

    private static final int ISR_BITS = VIRTIO_PCI_ISR_QUEUE | VIRTIO_PCI_ISR_CONFIG;

    /** What both functions must agree about: what the driver has been told. */
    record Shape(int virtioId, int queueCount, int maxQueueSize, long features) {

        /** Of {@link StateRecords}. */
        String kind() {
            return "virtio-" + virtioId;
        }
    }

    /** {@link CommonConfig}'s part. Selectors are as the driver wrote them. */
    record Common(
            long deviceFeatureSelect,
            long driverFeatureSelect,
            long driverFeatures,
            int queueSelect,
            int generation,
            int status,
            int configVector) {

        boolean isFeaturesOk() {
            return (status & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
        }

        boolean isDriverOk() {
            return (status & VIRTIO_CONFIG_S_DRIVER_OK) != 0;
        }
    }

    /** {@link PciConfigAccess}'s part. */
    record Window(int bar, int offset, int length) {}

    /** A queue: what the driver has set, and where the device is in it. */
    record Queue(
            int size, boolean enabled, int vector, long desc, long avail, long used, int nextAvail, int usedIndex) {}

    /** How long {@link #toBytes} is. */
    static int sizeBytes(Shape shape, int deviceBytes) {
        return StateRecords.HEADER_BYTES
                + StateRecords.RECORD_BYTES * (4 + shape.queueCount())
                + KIND_BYTES
                + COMMON_BYTES
                + WINDOW_BYTES
                + QUEUE_BYTES * shape.queueCount()
                + deviceBytes;
    }

    byte[] toBytes(Shape shape) {
        StateRecords out = new StateRecords(shape.kind(), VERSION)
                .add(
                        TAG_KIND,
                        StateRecords.data(KIND_BYTES)
                                .putInt(shape.queueCount())
                                .putInt(shape.maxQueueSize())
                                .putLong(shape.features())
                                .array())
                .add(TAG_COMMON, commonBytes())
                .add(
                        TAG_WINDOW,
                        StateRecords.data(WINDOW_BYTES)
                                .putInt(window.bar)
                                .putInt(window.offset)
                                .putInt(window.length)
                                .array());
        for (Queue queue : queues) {
            out.add(
                    TAG_QUEUE,
                    StateRecords.data(QUEUE_BYTES)
                            .putInt(queue.size)
                            .putInt(queue.enabled ? 1 : 0)
                            .putInt(queue.vector)
                            .putLong(queue.desc)
                            .putLong(queue.avail)
                            .putLong(queue.used)
                            .putShort((short) queue.nextAvail)
                            .putShort((short) queue.usedIndex)
                            .array());
        }
        return out.add(TAG_DEVICE, device).toBytes();
    }

    /**
     * Reads what {@link #toBytes} has written.
     *
     * @param shape of the function that is to get it
     * @throws org.vfio4j.sys.ErrnoException EINVAL, saying why, for what is no state that such a function can have
     */
    static VirtioState parse(byte[] bytes, Shape shape) {
        Parts parts = new Parts(shape);
        for (StateRecord record : StateRecords.read(shape.kind(), VERSION, bytes)) {
            try {
                parts.take(record);
            } catch (BufferUnderflowException e) {
                throw StateRecords.refused("record 0x" + Integer.toHexString(record.tag()) + " is too short");
            }
        }
        return parts.whole();
    }

    private byte[] commonBytes() {
        return StateRecords.data(COMMON_BYTES)
                .putInt((int) common.deviceFeatureSelect)
                .putInt((int) common.driverFeatureSelect)
                .putLong(common.driverFeatures)
                .putInt(common.queueSelect)
                .putInt(common.generation)
                .putShort((short) common.status)
                .putShort((short) isr)
                .putInt(common.configVector)
                .array();
    }

    /** What has been read so far, each part at most once. */
    private static final class Parts {

        private final Shape shape;
        private final List<Queue> queues = new ArrayList<>();
        private boolean kindSeen;
        private int isr;
        private @Nullable Common common;
        private @Nullable Window window;
        private byte @Nullable [] device;

        Parts(Shape shape) {
            this.shape = shape;
        }

        void take(StateRecord record) {
            ByteBuffer data = record.data();
            switch (record.tag()) {
                case TAG_KIND -> checkShape(data);
                case TAG_COMMON -> common = once(common, () -> parseCommon(data), "common configuration");
                case TAG_WINDOW ->
                    window = once(window, () -> new Window(data.getInt(), data.getInt(), data.getInt()), "window");
                case TAG_QUEUE -> {
                    require(queues.size() < shape.queueCount(), "more queues than it says");
                    queues.add(parseQueue(data));
                }
                case TAG_DEVICE -> device = once(device, () -> bytes(data), "device");
                default -> {
                    require(record.optional(), "record 0x" + Integer.toHexString(record.tag()) + " is not known here");
                    data.position(data.limit());
                }
            }
            require(!data.hasRemaining(), "record 0x" + Integer.toHexString(record.tag()) + " is too long");
        }

        VirtioState whole() {
            Common itsCommon = common;
            Window itsWindow = window;
            byte[] itsDevice = device;
            if (!kindSeen || itsCommon == null || itsWindow == null || itsDevice == null) {
                throw StateRecords.refused("a record is missing");
            }
            require(queues.size() == shape.queueCount(), queues.size() + " queues, not " + shape.queueCount());
            return new VirtioState(itsCommon, isr, itsWindow, List.copyOf(queues), itsDevice);
        }

        private void checkShape(ByteBuffer data) {
            require(!kindSeen, "the kind is there twice");
            kindSeen = true;
            int queueCount = data.getInt();
            int maxQueueSize = data.getInt();
            long features = data.getLong();
            require(queueCount == shape.queueCount(), queueCount + " queues, this device has " + shape.queueCount());
            require(
                    maxQueueSize == shape.maxQueueSize(),
                    "queues of up to " + maxQueueSize + ", this device's have " + shape.maxQueueSize());
            require(
                    features == shape.features(),
                    "features 0x" + Long.toHexString(features) + ", this device has 0x"
                            + Long.toHexString(shape.features()));
        }

        private Common parseCommon(ByteBuffer data) {
            long deviceFeatureSelect = Integer.toUnsignedLong(data.getInt());
            long driverFeatureSelect = Integer.toUnsignedLong(data.getInt());
            long driverFeatures = data.getLong();
            int queueSelect = data.getInt();
            int generation = data.getInt();
            int status = data.getShort();
            isr = data.getShort();
            int configVector = data.getInt();
            Common it = new Common(
                    deviceFeatureSelect,
                    driverFeatureSelect,
                    driverFeatures,
                    queueSelect,
                    generation,
                    status,
                    configVector);
            require((queueSelect & ~0xffff) == 0, "queue_select 0x" + Integer.toHexString(queueSelect));
            require((generation & ~0xff) == 0, "config_generation 0x" + Integer.toHexString(generation));
            require((status & ~0xff) == 0, "device_status 0x" + Integer.toHexString(status));
            require((isr & ~ISR_BITS) == 0, "ISR status 0x" + Integer.toHexString(isr));
            requireVector(configVector);
            boolean agreed =
                    (driverFeatures & ~shape.features()) == 0 && VirtioConfig.has(driverFeatures, VIRTIO_F_VERSION_1);
            require(
                    agreed || !it.isFeaturesOk(),
                    "FEATURES_OK with driver features 0x" + Long.toHexString(driverFeatures));
            require(it.isFeaturesOk() || !it.isDriverOk(), "DRIVER_OK without FEATURES_OK");
            return it;
        }

        private Queue parseQueue(ByteBuffer data) {
            int size = data.getInt();
            int enabled = data.getInt();
            int vector = data.getInt();
            Queue it = new Queue(
                    size,
                    enabled == 1,
                    vector,
                    data.getLong(),
                    data.getLong(),
                    data.getLong(),
                    data.getShort() & 0xffff,
                    data.getShort() & 0xffff);
            String what = "queue " + queues.size();
            require(
                    size > 0 && size <= shape.maxQueueSize() && Integer.bitCount(size) == 1,
                    what + " has " + size + " entries");
            require(enabled == 0 || enabled == 1, what + " is enabled by " + enabled);
            requireVector(vector);
            boolean aligned = it.desc % VRING_DESC_ALIGN == 0
                    && it.avail % VRING_AVAIL_ALIGN == 0
                    && it.used % VRING_USED_ALIGN == 0;
            require(aligned || !it.enabled, what + " has rings that are not aligned");
            return it;
        }

        private void requireVector(int vector) {
            require(
                    (vector >= 0 && vector <= shape.queueCount()) || vector == VIRTIO_MSI_NO_VECTOR,
                    "vector " + Integer.toUnsignedLong(vector));
        }

        private static byte[] bytes(ByteBuffer data) {
            byte[] bytes = new byte[data.remaining()];
            data.get(bytes);
            return bytes;
        }

        private static <T> T once(@Nullable T before, Supplier<T> parse, String what) {
            require(before == null, "the " + what + " is there twice");
            return parse.get();
        }
    }

    private static void require(boolean holds, String why) {
        if (!holds) {
            throw StateRecords.refused(why);
        }
    }
}
