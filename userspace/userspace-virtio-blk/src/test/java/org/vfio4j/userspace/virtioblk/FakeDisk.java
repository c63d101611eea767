package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_VNDR;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS_CAP_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_NUM_IRQS;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_NUM_REGIONS;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * A virtio disk down to its registers, which serves a queue on the caller's thread when its doorbell rings. Tests change its
 * fields to make it unusual, or bad.
 */
final class FakeDisk implements VfioDeviceFile {

    static final int SECTORS = 64;

    /** Where one structure is. */
    record Place(int bar, long offset, long length) {}

    /** Puts a completed chain into the used ring. */
    interface Completer {
        void complete(Queue queue, int head, int written);
    }

    /** What the driver said about a queue. */
    static final class Queue {
        int size;
        int vector = VIRTIO_MSI_NO_VECTOR;
        boolean enabled;
        long desc;
        long avail;
        long used;
        int nextAvail;
        int usedIndex;
        int notifications;
    }

    final ByteBuffer config = ByteBuffer.allocate(256).order(ByteOrder.LITTLE_ENDIAN);
    final ByteBuffer deviceConfig = ByteBuffer.allocate(60).order(ByteOrder.LITTLE_ENDIAN);
    final byte[] disk = new byte[SECTORS * SECTOR_SIZE];
    final List<Integer> requestTypes = new ArrayList<>();
    final List<Fd> vectors = new ArrayList<>();

    long features = VirtioNumbers.feature(VIRTIO_F_VERSION_1)
            | VirtioNumbers.feature(VIRTIO_RING_F_INDIRECT_DESC)
            | VirtioNumbers.feature(VIRTIO_RING_F_EVENT_IDX)
            | VirtioNumbers.feature(VIRTIO_BLK_F_FLUSH)
            | VirtioNumbers.feature(VIRTIO_BLK_F_DISCARD)
            | VirtioNumbers.feature(VIRTIO_BLK_F_WRITE_ZEROES)
            | VirtioNumbers.feature(VIRTIO_BLK_F_MQ);
    Place common = new Place(4, 0, 0x1000);
    Place device = new Place(4, 0x2000, 0x1000);
    Place notify = new Place(4, 0x3000, 0x1000);
    int notifyMultiplier = 4;
    int msixVectors = 3;
    int maxQueueSize = 64;
    boolean refusesFeatures;
    boolean resetNeverEnds;
    boolean deaf;
    byte status = VIRTIO_BLK_S_OK;
    Completer completer = this::putUsed;

    int deviceStatus;
    long driverFeatures;
    Optional<Mapping> dma = Optional.empty();
    final Map<Integer, Queue> queues = new HashMap<>();
    private long dmaIova;
    private int featureSelect;
    private int queueSelect;

    FakeDisk() {
        deviceConfig.putLong(CONFIG_CAPACITY, SECTORS);
        deviceConfig.putShort(CONFIG_NUM_QUEUES, (short) 2);
        deviceConfig.putInt(CONFIG_MAX_DISCARD_SECTORS, 32);
        deviceConfig.putInt(CONFIG_MAX_WRITE_ZEROES_SECTORS, 32);
        config.putShort(PCI_VENDOR_ID, (short) 0x1af4);
        config.putShort(PCI_DEVICE_ID, (short) 0x1042);
        config.putShort(PCI_STATUS, (short) PCI_STATUS_CAP_LIST);
        listCapabilities();
    }

    /** Writes the capabilities into configuration space; again after a place was changed. */
    void listCapabilities() {
        config.put(PCI_CAPABILITY_LIST, (byte) 0x40);
        capability(0x40, 0x50, VIRTIO_PCI_CAP_COMMON_CFG, common);
        capability(0x50, 0x60, VIRTIO_PCI_CAP_DEVICE_CFG, device);
        capability(0x60, 0, VIRTIO_PCI_CAP_NOTIFY_CFG, notify);
        config.putInt(0x60 + VIRTIO_PCI_NOTIFY_CAP_MULT, notifyMultiplier);
    }

    Queue queue(int index) {
        return queues.computeIfAbsent(index, i -> {
            Queue queue = new Queue();
            queue.size = i < 2 ? maxQueueSize : 0;
            return queue;
        });
    }

    long host(long iova) {
        return dma.orElseThrow().address() + iova - dmaIova;
    }

    @Override
    public VfioDeviceInfo info() {
        return new VfioDeviceInfo(0, VFIO_PCI_NUM_REGIONS, VFIO_PCI_NUM_IRQS);
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        return new VfioRegionInfo(index, 0, index == 7 ? 256 : 0x4000);
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return new VfioIrqInfo(index, 0, index == 2 ? msixVectors : 0);
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        vectors.forEach(Fd::close);
        vectors.clear();
        vectors.addAll(set.eventFds());
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        long value = 0;
        if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            value = bytes(config, offset, count);
        } else if (in(common, region, offset)) {
            value = readCommon((int) (offset - common.offset()));
        } else if (in(device, region, offset)) {
            value = bytes(deviceConfig, offset - device.offset(), count);
        }
        for (int i = 0; i < count; i++) {
            buffer.set(ValueLayout.JAVA_BYTE, at + i, (byte) (value >>> (8 * i)));
        }
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        long value = 0;
        for (int i = 0; i < count; i++) {
            value |= (buffer.get(ValueLayout.JAVA_BYTE, at + i) & 0xffL) << (8 * i);
        }
        if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            for (int i = 0; i < count; i++) {
                config.put((int) offset + i, (byte) (value >>> (8 * i)));
            }
        } else if (in(common, region, offset)) {
            writeCommon((int) (offset - common.offset()), value);
        } else if (in(notify, region, offset)) {
            Queue queue = queue((int) value);
            if (offset - notify.offset() != value * notifyMultiplier) {
                throw new ErrnoException(EINVAL, "doorbell of queue " + value + " rung at " + offset);
            }
            queue.notifications++;
            serve(queue);
        }
    }

    @Override
    public int feature(int flags, MemorySegment data) {
        throw new ErrnoException(ENOTTY, "device feature");
    }

    @Override
    public void reset() {
        deviceStatus = 0;
    }

    @Override
    public void dmaMap(long iova, long sizeBytes, int access, Fd memory, long offset) {
        dmaIova = iova;
        dma = Optional.of(Mapping.shared(memory, offset, sizeBytes, Mapping.PROT_READ | Mapping.PROT_WRITE));
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes) {
        dma.orElseThrow().close();
        dma = Optional.empty();
    }

    @Override
    public void close() {
        vectors.forEach(Fd::close);
    }

    /** Serves what waits in a queue, as the doorbell does. */
    void serve(Queue queue) {
        long avail = host(queue.avail);
        while (!deaf && queue.nextAvail != (RawMemory.getShortAcquire(avail + VRING_AVAIL_IDX) & 0xffff)) {
            int head = RawMemory.getShort(avail + VRING_AVAIL_RING + 2L * (queue.nextAvail % queue.size)) & 0xffff;
            queue.nextAvail = (queue.nextAvail + 1) & 0xffff;
            completer.complete(queue, head, carryOut(queue, head));
        }
        if (has(driverFeatures, VIRTIO_RING_F_EVENT_IDX)) {
            RawMemory.putShort(host(queue.used) + VRING_USED_RING + 8L * queue.size, (short) queue.nextAvail);
        }
    }

    void putUsed(Queue queue, int head, int written) {
        long used = host(queue.used);
        long entry = used + VRING_USED_RING + 8L * (queue.usedIndex % queue.size);
        RawMemory.putInt(entry, head);
        RawMemory.putInt(entry + 4, written);
        int before = queue.usedIndex;
        queue.usedIndex = (queue.usedIndex + 1) & 0xffff;
        RawMemory.putShortRelease(used + VRING_USED_IDX, (short) queue.usedIndex);
        long avail = host(queue.avail);
        boolean wanted = has(driverFeatures, VIRTIO_RING_F_EVENT_IDX)
                ? needsEvent(
                        RawMemory.getShort(avail + VRING_AVAIL_RING + 2L * queue.size) & 0xffff,
                        queue.usedIndex,
                        before)
                : RawMemory.getShort(avail) == 0;
        if (wanted && queue.vector < vectors.size()) {
            EventFd.signal(vectors.get(queue.vector).value());
        }
    }

    private int carryOut(Queue queue, int head) {
        long table = host(queue.desc);
        int next = head;
        if ((RawMemory.getShort(table + 16L * head + 12) & VRING_DESC_F_INDIRECT) != 0) {
            table = host(RawMemory.getLong(table + 16L * head));
            next = 0;
        }
        List<long[]> pieces = new ArrayList<>();
        while (true) {
            long at = table + 16L * next;
            int flags = RawMemory.getShort(at + 12);
            pieces.add(new long[] {host(RawMemory.getLong(at)), RawMemory.getInt(at + 8), flags & VRING_DESC_F_WRITE});
            if ((flags & VRING_DESC_F_NEXT) == 0) {
                break;
            }
            next = RawMemory.getShort(at + 14) & 0xffff;
        }
        return carryOut(pieces);
    }

    private int carryOut(List<long[]> pieces) {
        long header = pieces.get(0)[0];
        int type = RawMemory.getInt(header);
        requestTypes.add(type);
        int sector = (int) RawMemory.getLong(header + HEADER_SECTOR);
        long data = pieces.get(1)[0];
        int length = (int) pieces.get(1)[1];
        MemorySegment bytes = MemorySegment.ofArray(disk);
        long at = (long) sector * SECTOR_SIZE;
        int written = 1;
        switch (type) {
            case VIRTIO_BLK_T_IN -> {
                MemorySegment.copy(bytes, at, RawMemory.segment(data, length), 0, length);
                written += length;
            }
            case VIRTIO_BLK_T_OUT -> MemorySegment.copy(RawMemory.segment(data, length), 0, bytes, at, length);
            case VIRTIO_BLK_T_GET_ID -> {
                byte[] id = "fake-disk".getBytes(StandardCharsets.US_ASCII);
                MemorySegment.copy(id, 0, RawMemory.segment(data, length), ValueLayout.JAVA_BYTE, 0, id.length);
                written += length;
            }
            case VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_DISCARD ->
                bytes.asSlice(
                                RawMemory.getLong(data) * SECTOR_SIZE,
                                (long) RawMemory.getInt(data + RANGE_NUM_SECTORS) * SECTOR_SIZE)
                        .fill((byte) 0);
            default -> {}
        }
        RawMemory.putByte(pieces.get(pieces.size() - 1)[0], status);
        return written;
    }

    private long readCommon(int at) {
        Queue queue = queue(queueSelect);
        return switch (at) {
            case VIRTIO_PCI_COMMON_DF -> (features >>> (32 * featureSelect)) & 0xffff_ffffL;
            case VIRTIO_PCI_COMMON_NUMQ -> 2;
            case VIRTIO_PCI_COMMON_STATUS -> deviceStatus;
            case VIRTIO_PCI_COMMON_Q_SIZE -> queue.size;
            case VIRTIO_PCI_COMMON_Q_MSIX -> queue.vector;
            case VIRTIO_PCI_COMMON_Q_NOFF -> queueSelect;
            default -> 0;
        };
    }

    private void writeCommon(int at, long value) {
        Queue queue = queue(queueSelect);
        switch (at) {
            case VIRTIO_PCI_COMMON_DFSELECT, VIRTIO_PCI_COMMON_GFSELECT -> featureSelect = (int) value;
            case VIRTIO_PCI_COMMON_GF -> driverFeatures |= value << (32 * featureSelect);
            case VIRTIO_PCI_COMMON_STATUS -> setStatus((int) value);
            case VIRTIO_PCI_COMMON_Q_SELECT -> queueSelect = (int) value;
            case VIRTIO_PCI_COMMON_Q_SIZE -> queue.size = (int) value;
            case VIRTIO_PCI_COMMON_Q_MSIX -> queue.vector = (int) value;
            case VIRTIO_PCI_COMMON_Q_ENABLE -> queue.enabled = true;
            case VIRTIO_PCI_COMMON_Q_DESCLO -> queue.desc |= value;
            case VIRTIO_PCI_COMMON_Q_DESCLO + 4 -> queue.desc |= value << 32;
            case VIRTIO_PCI_COMMON_Q_AVAILLO -> queue.avail |= value;
            case VIRTIO_PCI_COMMON_Q_AVAILLO + 4 -> queue.avail |= value << 32;
            case VIRTIO_PCI_COMMON_Q_USEDLO -> queue.used |= value;
            case VIRTIO_PCI_COMMON_Q_USEDLO + 4 -> queue.used |= value << 32;
            default -> {}
        }
    }

    private void setStatus(int value) {
        deviceStatus = refusesFeatures ? value & ~VIRTIO_CONFIG_S_FEATURES_OK : value;
        if (value == 0) {
            queues.clear();
            driverFeatures = 0;
            deviceStatus = resetNeverEnds ? VIRTIO_CONFIG_S_ACKNOWLEDGE : 0;
        }
    }

    private void capability(int at, int next, int type, Place place) {
        config.put(at, (byte) PCI_CAP_ID_VNDR);
        config.put(at + 1, (byte) next);
        config.put(at + VIRTIO_PCI_CAP_LEN, (byte) (type == VIRTIO_PCI_CAP_NOTIFY_CFG ? 20 : 16));
        config.put(at + VIRTIO_PCI_CAP_CFG_TYPE, (byte) type);
        config.put(at + VIRTIO_PCI_CAP_BAR, (byte) place.bar());
        config.putInt(at + VIRTIO_PCI_CAP_OFFSET, (int) place.offset());
        config.putInt(at + VIRTIO_PCI_CAP_LENGTH, (int) place.length());
    }

    private static boolean in(Place place, int region, long offset) {
        return region == place.bar() && offset >= place.offset() && offset < place.offset() + place.length();
    }

    private static long bytes(ByteBuffer from, long at, int count) {
        long value = 0;
        for (int i = 0; i < count; i++) {
            value |= (from.get((int) at + i) & 0xffL) << (8 * i);
        }
        return value;
    }
}
