package org.vfio4j.vfiopcix86;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciRegionOps;

/**
 * The VGA region: offsets are the legacy addresses. An access lies in one of the three ranges that VGA decodes, and is cut into
 * natural pieces of 4, 2 and 1 bytes. Memory decode does not matter: the ranges are no BAR. Used by the user's thread.
 */
final class VgaRegion implements VfioPciRegionOps {

    private final VgaAccess access;

    VgaRegion(VgaAccess access) {
        this.access = access;
    }

    @Override
    public void read(long offset, MemorySegment buffer, long at, int count) {
        check(offset, count);
        int width;
        for (int done = 0; done < count; done += width) {
            int address = (int) offset + done;
            width = Pieces.widthAt(address, count - done);
            Pieces.put(buffer, at + done, width, access.read(address, width));
        }
    }

    @Override
    public void write(long offset, MemorySegment buffer, long at, int count) {
        check(offset, count);
        int width;
        for (int done = 0; done < count; done += width) {
            int address = (int) offset + done;
            width = Pieces.widthAt(address, count - done);
            access.write(address, width, Pieces.get(buffer, at + done, width));
        }
    }

    private static void check(long offset, int count) {
        long last = offset + count - 1;
        if (!within(offset, last, 0xa0000, 0xbffff)
                && !within(offset, last, 0x3b0, 0x3bb)
                && !within(offset, last, 0x3c0, 0x3df)) {
            throw new ErrnoException(
                    EINVAL,
                    "VGA access of " + count + " bytes at 0x" + Long.toHexString(offset)
                            + ", there are 0x3b0-0x3bb, 0x3c0-0x3df and 0xa0000-0xbffff");
        }
    }

    private static boolean within(long first, long last, int low, int high) {
        return first >= low && last <= high;
    }
}
