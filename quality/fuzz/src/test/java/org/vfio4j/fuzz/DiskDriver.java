package org.vfio4j.fuzz;

import static org.vfio4j.virtio.VirtioPci.*;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.uapi.VfioUser;

/** A disk driver's messages, from a map of memory to a ring with one request in it: to read the first sector. Stateless. */
final class DiskDriver {

    static final int DMA_MAP = VfioUser.VFIO_USER_DMA_MAP;
    static final long MEMORY_BYTES = 0x10000;

    private static final long IOVA = 0x10000;
    private static final int AVAIL = 0x400;
    private static final int USED = 0x600;
    private static final int HEADER = 0x800;
    private static final int STATUS = 0x900;
    private static final int DATA = 0x1000;
    private static final int BAR = 4;
    private static final int NOTIFY = 0x3000;
    private static final int ACKNOWLEDGED_DRIVER = 3;
    private static final int FEATURES_OK = 8;
    private static final int DRIVER_OK = 4;
    private static final int VERSION_1 = 1;

    private DiskDriver() {}

    /** Writes ring and request into the memory that {@link #setUp} maps. */
    static void putRequest(Fd memory) {
        byte[] ring = new Payload()
                .u64(IOVA + HEADER)
                .u32(16)
                .u16(1)
                .u16(1)
                .u64(IOVA + DATA)
                .u32(512)
                .u16(3)
                .u16(2)
                .u64(IOVA + STATUS)
                .u32(1)
                .u16(2)
                .u16(0)
                .bytes(new byte[AVAIL - 48])
                .u16(0)
                .u16(1)
                .u16(0)
                .toBytes();
        try (Arena arena = Arena.ofConfined()) {
            long address = arena.allocateFrom(ValueLayout.JAVA_BYTE, ring).address();
            FileIo.pwrite(memory.value(), address, ring.length, 0);
        }
    }

    /** Puts the same request into the ring again, as the one that many. */
    static void putAgain(Fd memory, int count) {
        try (Arena arena = Arena.ofConfined()) {
            long index =
                    arena.allocateFrom(ValueLayout.JAVA_SHORT, (short) count).address();
            FileIo.pwrite(memory.value(), index, Short.BYTES, AVAIL + Short.BYTES);
        }
    }

    /** Everything but the doorbell. The memory's descriptor goes with the map. */
    static List<RawMessage> setUp() {
        return List.of(
                Wire.map(Wire.READ_WRITE, 0, IOVA, MEMORY_BYTES / 2),
                Wire.write(Wire.CONFIG, 4, 2, 6),
                Wire.write(BAR, VIRTIO_PCI_COMMON_STATUS, 1, ACKNOWLEDGED_DRIVER),
                Wire.write(BAR, VIRTIO_PCI_COMMON_GFSELECT, 4, 1),
                Wire.write(BAR, VIRTIO_PCI_COMMON_GF, 4, VERSION_1),
                Wire.write(BAR, VIRTIO_PCI_COMMON_STATUS, 1, ACKNOWLEDGED_DRIVER | FEATURES_OK),
                Wire.write(BAR, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0),
                Wire.write(BAR, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0),
                Wire.write(BAR, VIRTIO_PCI_COMMON_Q_DESCLO, 8, IOVA),
                Wire.write(BAR, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, IOVA + AVAIL),
                Wire.write(BAR, VIRTIO_PCI_COMMON_Q_USEDLO, 8, IOVA + USED),
                Wire.write(BAR, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1),
                Wire.write(BAR, VIRTIO_PCI_COMMON_STATUS, 1, ACKNOWLEDGED_DRIVER | FEATURES_OK | DRIVER_OK));
    }

    static RawMessage ring() {
        return Wire.write(BAR, NOTIFY, 2, 0);
    }
}
