package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * Reads and writes a device's regions by pread(2) and pwrite(2). The kernel makes of a call the widest accesses that are naturally
 * aligned, so that a call for 1, 2, 4 or 8 bytes that are is one access: see docs/adr/0053. Belongs to the file's user; allocates
 * nothing unless it fails.
 */
final class DeviceRegions {

    private static final int SCRATCH_BYTES = 4096;
    private static final int WIDEST = Long.BYTES;

    private final String name;
    private final Fd device;
    private final DeviceInfo info;

    /** What the kernel copies to and from, since the caller's memory may be on the heap. */
    private final MemorySegment scratch = Arena.ofAuto().allocate(SCRATCH_BYTES, WIDEST);

    DeviceRegions(String name, Fd device, DeviceInfo info) {
        this.name = name;
        this.device = device;
        this.info = info;
    }

    void read(int region, long offset, MemorySegment buffer, long at, int count) {
        long position = position(region, offset, buffer, at, count, VFIO_REGION_INFO_FLAG_READ);
        for (int done = 0; done < count; ) {
            int piece = piece(offset + done, count - done);
            long came = FileIo.pread(device.value(), scratch.address(), piece, position + done);
            checkCame(came, "read", region, offset + done, piece);
            MemorySegment.copy(scratch, 0, buffer, at + done, came);
            done += (int) came;
        }
    }

    void write(int region, long offset, MemorySegment buffer, long at, int count) {
        long position = position(region, offset, buffer, at, count, VFIO_REGION_INFO_FLAG_WRITE);
        for (int done = 0; done < count; ) {
            int piece = piece(offset + done, count - done);
            MemorySegment.copy(buffer, at + done, scratch, 0, piece);
            long went = FileIo.pwrite(device.value(), scratch.address(), piece, position + done);
            checkCame(went, "write", region, offset + done, piece);
            done += (int) went;
        }
    }

    /** How much goes in one call: it ends where the widest access begins, so that a long range is not cut inside one. */
    private static int piece(long offset, int left) {
        return Math.min(left, SCRATCH_BYTES - (int) (offset & (WIDEST - 1)));
    }

    private long position(int index, long offset, MemorySegment buffer, long at, int count, int access) {
        DeviceInfo.Region region = info.region(index);
        if (count == 0) {
            return 0;
        }
        VfioRegionInfo range = region.info();
        // Written so that it cannot overflow.
        boolean inside = count > 0 && offset >= 0 && count <= range.sizeBytes() && offset <= range.sizeBytes() - count;
        if (!inside || (range.flags() & access) == 0) {
            throw new ErrnoException(
                    EINVAL,
                    what(access == VFIO_REGION_INFO_FLAG_READ ? "read" : "write", index, offset, count) + ", size 0x"
                            + Long.toHexString(range.sizeBytes()) + ", flags 0x"
                            + Integer.toHexString(range.flags()));
        }
        Objects.checkFromIndexSize(at, count, buffer.byteSize());
        return region.position() + offset;
    }

    private void checkCame(long came, String verb, int region, long offset, int count) {
        if (came <= 0) {
            throw new ErrnoException(came == 0 ? EIO : (int) -came, what(verb, region, offset, count));
        }
    }

    private String what(String verb, int region, long offset, int count) {
        return name + ": " + verb + " of " + Integer.toUnsignedLong(count) + " bytes at 0x" + Long.toHexString(offset)
                + " of region " + region;
    }
}
