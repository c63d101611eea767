package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.EROFS;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import org.vfio4j.sys.ErrnoException;

/**
 * What a disk is and can do (Virtual I/O Device 1.2, 5.2.3 and 5.2.4).
 *
 * @param features the negotiated features, a bit mask
 * @param capacityBytes its size
 * @param blockSize the unit that it prefers, a power of two from 512 on; any multiple of 512 works
 * @param readOnly whether it refuses to be written
 * @param maxTransferBytes the most that one read or write moves
 * @param maxDiscardBytes the most that one discard covers, 0 when it cannot discard
 * @param maxWriteZeroesBytes the most that one write of zeroes covers, 0 when it does not know such requests
 */
public record VirtioBlkInfo(
        long features,
        long capacityBytes,
        int blockSize,
        boolean readOnly,
        int maxTransferBytes,
        long maxDiscardBytes,
        long maxWriteZeroesBytes) {

    private static final int MAX_TRANSFER = 1 << 30;
    private static final int MAX_BLOCK_SIZE = 1 << 20;

    /** @throws ErrnoException EPROTO for a configuration that makes no sense */
    static VirtioBlkInfo read(VirtioPciDevice device, long features) {
        int[] capacity = device.deviceConfig(CONFIG_CAPACITY, CONFIG_CAPACITY + 4);
        long sectors = Integer.toUnsignedLong(capacity[0]) | (long) capacity[1] << Integer.SIZE;
        if (sectors < 0 || sectors > Long.MAX_VALUE / SECTOR_SIZE) {
            throw new ErrnoException(EPROTO, "virtio disk of " + Long.toUnsignedString(sectors) + " sectors");
        }
        long blockSize = has(features, VIRTIO_BLK_F_BLK_SIZE) ? device.deviceField(CONFIG_BLK_SIZE, 4) : SECTOR_SIZE;
        if (blockSize < SECTOR_SIZE || blockSize > MAX_BLOCK_SIZE || Long.bitCount(blockSize) != 1) {
            throw new ErrnoException(EPROTO, "virtio disk with blocks of " + blockSize + " bytes");
        }
        long sizeMax = has(features, VIRTIO_BLK_F_SIZE_MAX) ? device.deviceField(CONFIG_SIZE_MAX, 4) : MAX_TRANSFER;
        if (sizeMax < SECTOR_SIZE) {
            throw new ErrnoException(EPROTO, "virtio disk that moves at most " + sizeMax + " bytes");
        }
        return new VirtioBlkInfo(
                features,
                sectors * SECTOR_SIZE,
                (int) blockSize,
                has(features, VIRTIO_BLK_F_RO),
                (int) Math.min(sizeMax & -SECTOR_SIZE, MAX_TRANSFER),
                most(device, features, VIRTIO_BLK_F_DISCARD, CONFIG_MAX_DISCARD_SECTORS),
                most(device, features, VIRTIO_BLK_F_WRITE_ZEROES, CONFIG_MAX_WRITE_ZEROES_SECTORS));
    }

    /** Whether {@link VirtioBlkQueue#flush} works; a disk without it completes a write when it is stable. */
    public boolean canFlush() {
        return has(features, VIRTIO_BLK_F_FLUSH);
    }

    void checkWritable() {
        if (readOnly) {
            throw new ErrnoException(EROFS, "write to a read-only virtio disk");
        }
    }

    /** @param most the limit for this kind of request, 0 when there are none */
    void checkRange(String what, long offset, long length, long most) {
        if (most == 0) {
            throw new ErrnoException(ENOTSUP, what + ": the virtio disk does not offer it");
        }
        boolean fits = offset >= 0
                && length > 0
                && length <= most
                && ((offset | length) & (SECTOR_SIZE - 1)) == 0
                && length <= capacityBytes - offset;
        if (!fits) {
            throw new ErrnoException(
                    EINVAL,
                    what + " of " + length + " bytes at " + offset + ": multiples of " + SECTOR_SIZE + ", at most "
                            + most + ", within " + capacityBytes);
        }
    }

    private static long most(VirtioPciDevice device, long features, int feature, int field) {
        return has(features, feature) ? device.deviceField(field, 4) * SECTOR_SIZE : 0;
    }
}
