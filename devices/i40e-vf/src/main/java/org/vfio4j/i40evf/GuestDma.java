package org.vfio4j.i40evf;

import java.lang.foreign.Arena;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.RawMemory;

/**
 * The driver's memory as arrays and numbers, mapped or not. Belongs to the queue thread; allocates nothing.
 *
 * <p>Each call translates anew, and no address outlives it: memory that is not mapped is reached by messages, during which
 * earlier translations become void.
 */
final class GuestDma implements AutoCloseable {

    /** Pieces in which memory that is not mapped is copied. */
    private static final int SCRATCH_BYTES = 4096;

    private final Arena arena = Arena.ofShared();
    private final long scratch = arena.allocate(SCRATCH_BYTES, Long.BYTES).address();

    /** Copies from the driver's memory. Returns 0, or a negative errno as {@link DmaWindow#read} does. */
    int read(DmaWindow window, long iova, byte[] to, int offset, int length) {
        if (length == 0) {
            return 0;
        }
        long host = window.translate(iova, length, DmaSpace.READ);
        if (host > 0) {
            RawMemory.get(host, to, offset, length);
            return 0;
        }
        if (host < 0) {
            return (int) host;
        }
        for (int done = 0; done < length; done += SCRATCH_BYTES) {
            int piece = Math.min(length - done, SCRATCH_BYTES);
            int result = window.read(iova + done, scratch, piece);
            if (result < 0) {
                return result;
            }
            RawMemory.get(scratch, to, offset + done, piece);
        }
        return 0;
    }

    /** Copies to the driver's memory. Returns 0, or a negative errno as {@link DmaWindow#write} does. */
    int write(DmaWindow window, long iova, byte[] from, int offset, int length) {
        if (length == 0) {
            return 0;
        }
        long host = window.translate(iova, length, DmaSpace.WRITE);
        if (host > 0) {
            RawMemory.put(host, from, offset, length);
            window.markDirty(iova, length);
            return 0;
        }
        if (host < 0) {
            return (int) host;
        }
        for (int done = 0; done < length; done += SCRATCH_BYTES) {
            int piece = Math.min(length - done, SCRATCH_BYTES);
            RawMemory.put(scratch, from, offset + done, piece);
            int result = window.write(iova + done, scratch, piece);
            if (result < 0) {
                return result;
            }
        }
        return 0;
    }

    /**
     * Stores 8 bytes after everything that was written before.
     *
     * @param iova a multiple of 8
     * @return as {@link #write}
     */
    int publish(DmaWindow window, long iova, long value) {
        long host = window.translate(iova, Long.BYTES, DmaSpace.WRITE);
        if (host > 0) {
            RawMemory.putLongRelease(host, value);
            window.markDirty(iova, Long.BYTES);
            return 0;
        }
        if (host < 0) {
            return (int) host;
        }
        RawMemory.putLong(scratch, value);
        return window.write(iova, scratch, Long.BYTES);
    }

    @Override
    public void close() {
        arena.close();
    }
}
