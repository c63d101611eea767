package org.vfio4j.userspace.vmm;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/**
 * Sends pages as they are in memory; of pages that are zero only where they are. The guest may write them meanwhile: what it
 * changes is in the next set. Belongs to one thread.
 */
final class MemorySender {

    private final GuestMemory memory;
    private final FrameWriter out;
    private final Runnable checkpoint;

    /** @param checkpoint called between pieces; throws when the migration shall end */
    MemorySender(GuestMemory memory, FrameWriter out, Runnable checkpoint) {
        this.memory = memory;
        this.out = out;
        this.checkpoint = checkpoint;
    }

    /**
     * @param first nothing was sent before, so that what is zero need not be told
     * @throws ErrnoException what the channel says
     */
    void send(PageSet pages, boolean first) {
        pages.forEachRun((iova, length) -> {
            for (long at = 0; at < length; at += MigrationFrame.MAX_PAGES_BYTES) {
                checkpoint.run();
                sendPiece(iova + at, Math.min(length - at, MigrationFrame.MAX_PAGES_BYTES), first);
            }
        });
        out.flush();
    }

    private void sendPiece(long iova, long length, boolean first) {
        MemorySegment piece = memory.segment(iova, length);
        long from = 0;
        while (from < length) {
            boolean zero = Zeroes.fill(piece, from, GuestMemory.PAGE_BYTES);
            long to = from + GuestMemory.PAGE_BYTES;
            while (to < length && Zeroes.fill(piece, to, GuestMemory.PAGE_BYTES) == zero) {
                to += GuestMemory.PAGE_BYTES;
            }
            if (!zero) {
                out.put(MigrationFrame.PAGES, iova + from, piece.asSlice(from, to - from));
            } else if (!first) {
                out.put(MigrationFrame.ZEROES, iova + from, to - from);
            }
            from = to;
        }
    }
}
