package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.EROFS;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.nio.ByteBuffer;
import org.vfio4j.sys.ErrnoException;

/**
 * What a namespace is, and what its controller can do with it (NVM Command Set 1.0, 4.1.5).
 *
 * @param nsid its number
 * @param blocks its size in logical blocks (NSZE)
 * @param blockShift of a logical block's size, a power of two from 512 on
 * @param readOnly whether it is write protected now
 * @param canCompare whether {@link NvmeQueue#compare} works
 * @param maxTransferBytes the most that one read or write moves
 * @param maxDeallocateBytes the most that one deallocation covers, 0 when there are none
 * @param maxWriteZeroesBytes the most that one write of zeroes covers, 0 when there are none
 * @param zeroesByDeallocation whether a write of zeroes may give the range's storage up
 */
public record NvmeNamespace(
        int nsid,
        long blocks,
        int blockShift,
        boolean readOnly,
        boolean canCompare,
        int maxTransferBytes,
        long maxDeallocateBytes,
        long maxWriteZeroesBytes,
        boolean zeroesByDeallocation) {

    private static final int MIN_SHIFT = 9;
    private static final int MAX_SHIFT = 16;

    /** With those of its number's upper bits that FLBAS has elsewhere. */
    private static final int FLBAS_LOW = 0xf;

    private static final int FLBAS_HIGH_SHIFT = 5;
    private static final int FLBAS_HIGH = 3;

    /**
     * Decodes Identify Namespace.
     *
     * @param transferBytes the most that the controller moves
     * @throws ErrnoException ENODEV when it is not active; EPROTO for data that makes no sense; ENOTSUP for blocks with metadata or
     *     protection information
     */
    static NvmeNamespace read(int nsid, ByteBuffer data, NvmeInfo controller, int transferBytes) {
        long blocks = data.getLong(ID_NS_NSZE);
        if (blocks == 0) {
            throw new ErrnoException(ENODEV, "NVMe namespace " + Integer.toUnsignedString(nsid) + " is not active");
        }
        int flbas = data.get(ID_NS_FLBAS);
        int index = (flbas & FLBAS_LOW) | (flbas >>> FLBAS_HIGH_SHIFT & FLBAS_HIGH) << 4;
        int format = data.getInt(ID_NS_LBAF + index * ID_NS_LBAF_SIZE);
        int metadata = format & 0xffff;
        int shift = format >>> (LBAF_LBADS * Byte.SIZE) & 0xff;
        if (metadata != 0 || data.get(ID_NS_DPS) != 0) {
            throw new ErrnoException(
                    ENOTSUP, "NVMe namespace " + nsid + " with " + metadata + " bytes of metadata for each block");
        }
        if (shift < MIN_SHIFT || shift > MAX_SHIFT) {
            throw new ErrnoException(
                    EPROTO,
                    "NVMe namespace with blocks of 2^" + shift + " bytes: the limits are 2^" + MIN_SHIFT + " and 2^"
                            + MAX_SHIFT);
        }
        if (blocks < 0 || blocks > Long.MAX_VALUE >> shift) {
            throw new ErrnoException(
                    EPROTO,
                    "NVMe namespace of " + Long.toUnsignedString(blocks) + " blocks of " + (1 << shift) + " bytes");
        }
        if (transferBytes < 1 << shift) {
            throw new ErrnoException(
                    EPROTO,
                    "NVMe controller moves at most " + transferBytes + " bytes, and blocks have " + (1 << shift));
        }
        return new NvmeNamespace(
                nsid,
                blocks,
                shift,
                (data.get(ID_NS_NSATTR) & NSATTR_WRITE_PROTECTED) != 0,
                controller.offers(ONCS_COMPARE),
                (int) Math.min(transferBytes, (long) MAX_BLOCKS << shift),
                controller.offers(ONCS_DATASET_MANAGEMENT) ? 0xffff_ffffL << shift : 0,
                controller.offers(ONCS_WRITE_ZEROES) ? (long) MAX_BLOCKS << shift : 0,
                (data.get(ID_NS_DLFEAT) & DLFEAT_WRITE_ZEROES_DEAC) != 0);
    }

    /** @throws ErrnoException EINVAL for what {@link #read} does not give */
    void checkSense() {
        boolean shifts = blockShift >= MIN_SHIFT && blockShift <= MAX_SHIFT;
        if (!shifts || blocks <= 0 || blocks > Long.MAX_VALUE >> blockShift || maxTransferBytes < 1 << blockShift) {
            throw new ErrnoException(
                    EINVAL,
                    "an NVMe namespace of " + blocks + " blocks of 2^" + blockShift + " bytes, of which "
                            + maxTransferBytes + " bytes are moved at once");
        }
    }

    public long capacityBytes() {
        return blocks << blockShift;
    }

    public int blockSize() {
        return 1 << blockShift;
    }

    void checkWritable() {
        if (readOnly) {
            throw new ErrnoException(EROFS, "write to NVMe namespace " + nsid + ", which is write protected");
        }
    }

    /** @param most the limit for this kind of request, 0 when there are none */
    void checkRange(String what, long offset, long length, long most) {
        if (most == 0) {
            throw new ErrnoException(ENOTSUP, what + ": the NVMe controller does not offer it");
        }
        boolean fits = offset >= 0
                && length > 0
                && length <= most
                && ((offset | length) & (blockSize() - 1)) == 0
                && length <= capacityBytes() - offset;
        if (!fits) {
            throw new ErrnoException(
                    EINVAL,
                    what + " of " + length + " bytes at " + offset + ": multiples of " + blockSize() + ", at most "
                            + most + ", within " + capacityBytes());
        }
    }
}
