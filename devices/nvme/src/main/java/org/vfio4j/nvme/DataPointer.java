package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ENOTCONN;

import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.RawMemory;

/**
 * Finds a command's data by its PRP entries and lists or its SGL (NVM Express Base 2.0, 4.1.1 and 4.1.2). What these say is read once
 * and checked then. Belongs to the queue thread.
 */
final class DataPointer {

    /** Not a status: lists are in memory that is not mapped, so that only the slow way can tell. */
    static final int UNREACHABLE = -3;

    /** Not a status: a read of the driver's memory was cut short, by a reset or because the driver is gone. */
    static final int CUT_SHORT = -2;

    /** The most SGL descriptors of a command, those without bytes included. */
    private static final int MAX_DESCRIPTORS = 2 * DataPieces.MAX;

    private static final int MAX_SEGMENTS = 256;

    /** How many bytes of a list or segment are read at a time. */
    private static final int CHUNK_BYTES = 4096;

    private final DataPieces pieces = new DataPieces();
    private final long scratch;

    // Of the command at hand.
    private int descriptors;
    private int left;

    // Of an SGL segment: whether its last descriptor says where the next one is, and what it says.
    private boolean goesOn;
    private long nextAddress;
    private long nextRest;

    /** @param scratch where 4096 bytes are free */
    DataPointer(long scratch) {
        this.scratch = scratch;
    }

    DataPieces pieces() {
        return pieces;
    }

    /**
     * Finds the data of a command.
     *
     * @param bytes how many there are, more than 0
     * @param remote whether lists are read by {@link DmaWindow#read}, which may put the window offline for a while
     * @return a status, {@link #UNREACHABLE} or {@link #CUT_SHORT}
     */
    int find(int psdt, long dptr0, long dptr1, int bytes, int pageBytes, DmaWindow window, boolean remote) {
        pieces.clear();
        return psdt == PSDT_PRP
                ? prp(dptr0, dptr1, bytes, pageBytes, window, remote)
                : sgl(dptr0, dptr1, bytes, window, remote);
    }

    private int prp(long prp1, long prp2, int bytes, int pageBytes, DmaWindow window, boolean remote) {
        if ((prp1 & 3) != 0) {
            return PRP_OFFSET_INVALID | DNR;
        }
        int first = Math.min(bytes, pageBytes - (int) (prp1 & (pageBytes - 1)));
        pieces.add(prp1, first);
        int rest = bytes - first;
        if (rest == 0) {
            return SUCCESSFUL_COMPLETION;
        }
        if (rest <= pageBytes) {
            return page(prp2, rest, pageBytes);
        }
        return prpList(prp2, rest, pageBytes, window, remote);
    }

    private int page(long entry, int bytes, int pageBytes) {
        if ((entry & (pageBytes - 1)) != 0) {
            return PRP_OFFSET_INVALID | DNR;
        }
        pieces.add(entry, bytes);
        return SUCCESSFUL_COMPLETION;
    }

    private int prpList(long pointer, int bytes, int pageBytes, DmaWindow window, boolean remote) {
        if ((pointer & (Long.BYTES - 1)) != 0) {
            return PRP_OFFSET_INVALID | DNR;
        }
        long list = pointer;
        int rest = bytes;
        while (true) {
            int pages = (int) (((long) rest + pageBytes - 1) / pageBytes);
            int places = (pageBytes - (int) (list & (pageBytes - 1))) / Long.BYTES;
            // The last place of a page that does not hold the whole rest points on.
            boolean chained = pages > places;
            int here = chained ? places - 1 : pages;
            int needed = chained ? places : pages;
            for (int done = 0; done < needed; ) {
                int now = Math.min(needed - done, CHUNK_BYTES / Long.BYTES);
                int status = fetch(list + (long) done * Long.BYTES, now * Long.BYTES, window, remote);
                if (status != SUCCESSFUL_COMPLETION) {
                    return status;
                }
                for (int i = 0; i < now && done + i < here; i++) {
                    int length = Math.min(rest, pageBytes);
                    status = page(RawMemory.getLong(scratch + (long) i * Long.BYTES), length, pageBytes);
                    if (status != SUCCESSFUL_COMPLETION) {
                        return status;
                    }
                    rest -= length;
                }
                done += now;
                if (done == needed && chained) {
                    list = RawMemory.getLong(scratch + (now - 1L) * Long.BYTES);
                }
            }
            if (!chained) {
                return SUCCESSFUL_COMPLETION;
            }
            if ((list & (pageBytes - 1)) != 0) {
                return PRP_OFFSET_INVALID | DNR;
            }
        }
    }

    private int sgl(long address, long rest, int bytes, DmaWindow window, boolean remote) {
        descriptors = 0;
        left = bytes;
        long segment = address;
        long what = rest;
        for (int segments = 0; ; segments++) {
            int type = type(what);
            if (type != SGL_SEGMENT && type != SGL_LAST_SEGMENT) {
                // Only the descriptor in the command itself can be one of data here.
                int status = dataBlock(segment, what);
                return status == SUCCESSFUL_COMPLETION && left != 0 ? DATA_SGL_LENGTH_INVALID | DNR : status;
            }
            if ((identifier(what) & 0xf) != 0) {
                return SGL_DESCRIPTOR_TYPE_INVALID | DNR;
            }
            long length = what & 0xffff_ffffL;
            if (length == 0
                    || length % SGL_SIZE != 0
                    || (segment & (Long.BYTES - 1)) != 0
                    || segments == MAX_SEGMENTS) {
                return INVALID_SGL_SEGMENT_DESCRIPTOR | DNR;
            }
            int status = segment(segment, length, type == SGL_LAST_SEGMENT, window, remote);
            if (status != SUCCESSFUL_COMPLETION) {
                return status;
            }
            if (!goesOn) {
                return left != 0 ? DATA_SGL_LENGTH_INVALID | DNR : SUCCESSFUL_COMPLETION;
            }
            segment = nextAddress;
            what = nextRest;
        }
    }

    private int segment(long at, long length, boolean last, DmaWindow window, boolean remote) {
        goesOn = false;
        for (long done = 0; done < length; ) {
            int now = (int) Math.min(length - done, CHUNK_BYTES);
            int status = fetch(at + done, now, window, remote);
            if (status != SUCCESSFUL_COMPLETION) {
                return status;
            }
            for (int i = 0; i < now; i += SGL_SIZE) {
                boolean isEnd = done + i + SGL_SIZE == length;
                status = descriptor(
                        RawMemory.getLong(scratch + i), RawMemory.getLong(scratch + i + SGL_LENGTH), isEnd, last);
                if (status != SUCCESSFUL_COMPLETION) {
                    return status;
                }
            }
            done += now;
        }
        return SUCCESSFUL_COMPLETION;
    }

    private int descriptor(long address, long rest, boolean isEnd, boolean lastSegment) {
        int type = type(rest);
        if (++descriptors > MAX_DESCRIPTORS) {
            return INVALID_NUMBER_OF_SGL_DESCRIPTORS | DNR;
        }
        if (type != SGL_SEGMENT && type != SGL_LAST_SEGMENT) {
            return dataBlock(address, rest);
        }
        if (!isEnd) {
            return INVALID_NUMBER_OF_SGL_DESCRIPTORS | DNR;
        }
        if (lastSegment) {
            return INVALID_SGL_SEGMENT_DESCRIPTOR | DNR;
        }
        goesOn = true;
        nextAddress = address;
        nextRest = rest;
        return SUCCESSFUL_COMPLETION;
    }

    private int dataBlock(long address, long rest) {
        if (identifier(rest) != SGL_DATA_BLOCK << SGL_TYPE_SHIFT) {
            return SGL_DESCRIPTOR_TYPE_INVALID | DNR;
        }
        long length = rest & 0xffff_ffffL;
        if (length > left) {
            return DATA_SGL_LENGTH_INVALID | DNR;
        }
        if (length > 0 && !pieces.add(address, (int) length)) {
            return INVALID_NUMBER_OF_SGL_DESCRIPTORS | DNR;
        }
        left -= (int) length;
        return SUCCESSFUL_COMPLETION;
    }

    /** The status for what {@link DmaWindow#read} or {@link DmaWindow#write} has returned, or {@link #CUT_SHORT}. */
    static int statusOf(int error) {
        return switch (error) {
            case 0 -> SUCCESSFUL_COMPLETION;
            case -ECANCELED, -ENOTCONN -> CUT_SHORT;
            default -> DATA_TRANSFER_ERROR;
        };
    }

    /** Copies a part of a list to where the driver cannot change it. */
    private int fetch(long iova, int bytes, DmaWindow window, boolean remote) {
        if (remote) {
            return statusOf(window.read(iova, scratch, bytes));
        }
        long host = window.translate(iova, bytes, DmaSpace.READ);
        if (host <= 0) {
            return UNREACHABLE;
        }
        RawMemory.copy(host, scratch, bytes);
        return SUCCESSFUL_COMPLETION;
    }

    private static int identifier(long rest) {
        return (int) (rest >>> (Long.SIZE - Byte.SIZE));
    }

    private static int type(long rest) {
        return identifier(rest) >>> SGL_TYPE_SHIFT;
    }
}
