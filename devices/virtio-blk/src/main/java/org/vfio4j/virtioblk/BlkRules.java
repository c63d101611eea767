package org.vfio4j.virtioblk;

import static org.vfio4j.virtioblk.VirtioBlkSpec.RANGE_FLAGS;
import static org.vfio4j.virtioblk.VirtioBlkSpec.RANGE_NUM_SECTORS;
import static org.vfio4j.virtioblk.VirtioBlkSpec.RANGE_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.SECTOR_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_IOERR;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_OK;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_UNSUPP;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_DISCARD;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_IN;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_OUT;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.RawMemory;

/**
 * Which requests this disk carries out, and the status of those that it does not (Virtual I/O Device 1.2, 5.2.6.2). Any thread;
 * numbers from the driver are unsigned.
 */
final class BlkRules {

    /** The most bytes of one request: what the kernel moves in one call, less than 2 GiB. */
    static final long MAX_BYTES = 0x7fff_f000L;

    /** The most sectors of one range, 2 GiB of them. */
    static final int MAX_RANGE_SECTORS = 1 << 22;

    private static final int MOST_RANGES = 64;

    private final BlockBackend backend;
    private final int maxRanges;
    private final boolean readOnly;

    BlkRules(BlockBackend backend, boolean readOnly, int maxQueueSize) {
        this.backend = backend;
        maxRanges = Math.min(MOST_RANGES, maxQueueSize);
        this.readOnly = readOnly;
    }

    /** How many there are; may grow. */
    long sectors() {
        return backend.sizeBytes() / SECTOR_SIZE;
    }

    int maxRanges() {
        return maxRanges;
    }

    boolean readOnly() {
        return readOnly;
    }

    /** The status of a request that moves {@code bytes} from or to {@code sector}; {@code VIRTIO_BLK_S_OK}: carry it out. */
    byte transfer(int type, long sector, long bytes) {
        long sectors = sectors();
        boolean fits = sector >= 0
                && sector <= sectors
                && bytes <= MAX_BYTES
                && bytes <= (sectors - sector) * SECTOR_SIZE
                && bytes % SECTOR_SIZE == 0;
        return fits && (type == VIRTIO_BLK_T_IN || !readOnly) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    }

    /** The status of a discard or a write zeroes before its ranges are looked at. */
    byte ranges(long bytes) {
        boolean whole = bytes > 0 && bytes % RANGE_SIZE == 0 && bytes / RANGE_SIZE <= maxRanges;
        return whole && !readOnly ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    }

    /** The status of a discard or a write zeroes for {@code count} ranges at {@code address}. */
    byte rangesAt(int type, long address, int count) {
        int allowed = type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
        for (int i = 0; i < count; i++) {
            long at = address + (long) RANGE_SIZE * i;
            if ((RawMemory.getInt(at + RANGE_FLAGS) & ~allowed) != 0) {
                return VIRTIO_BLK_S_UNSUPP;
            }
            long number = Integer.toUnsignedLong(RawMemory.getInt(at + RANGE_NUM_SECTORS));
            if (number > MAX_RANGE_SECTORS
                    || transfer(VIRTIO_BLK_T_OUT, RawMemory.getLong(at), number * SECTOR_SIZE) != VIRTIO_BLK_S_OK) {
                return VIRTIO_BLK_S_IOERR;
            }
        }
        return VIRTIO_BLK_S_OK;
    }
}
