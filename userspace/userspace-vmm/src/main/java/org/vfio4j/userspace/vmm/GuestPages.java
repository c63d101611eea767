package org.vfio4j.userspace.vmm;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * The part of a guest's memory that its program writes by itself, so and so much of it in a second, and knows what each page must hold. Belongs
 * to the guest's thread.
 */
final class GuestPages {

    private static final int PAGE = GuestMemory.PAGE_BYTES;
    private static final int STEP = 512;
    private static final int MOST_AT_ONCE = 256;
    private static final long NS_PER_SECOND = 1_000_000_000L;

    private final GuestMemory memory;
    private final DmaMemory ram;
    private final long at;
    private final long count;
    private final long bytesPerSecond;
    private final BlockTable table;
    private long dueNs;

    /**
     * @param tableAt where in {@code ram} there is room for how often each was written
     * @param at where the pages begin
     */
    GuestPages(GuestMemory memory, DmaMemory ram, long tableAt, long at, long count, long bytesPerSecond) {
        this.memory = memory;
        this.ram = ram;
        this.at = at;
        this.count = count;
        this.bytesPerSecond = bytesPerSecond;
        table = new BlockTable("page", memory, ram.iova(tableAt), count);
    }

    /** From now on pages are due. */
    void start() {
        dueNs = System.nanoTime();
    }

    /**
     * Writes as many as are due, and checks each before.
     *
     * @return how many
     */
    int writeDue(GuestRandom random) {
        if (bytesPerSecond == 0 || count == 0) {
            return 0;
        }
        long now = System.nanoTime();
        long perPageNs = Math.max(1, PAGE * NS_PER_SECOND / bytesPerSecond);
        // What could not be done in time is not caught up with.
        dueNs = Math.max(dueNs, now - MOST_AT_ONCE * perPageNs);
        int written = 0;
        while (dueNs < now) {
            dueNs += perPageNs;
            long page = random.next(count);
            MemorySegment data = page(page);
            table.check(data, page, STEP);
            table.paint(data, page, STEP);
            memory.written(ram.iova(at + page * PAGE), PAGE);
            table.written(page);
            written++;
        }
        return written;
    }

    /**
     * Checks all that were ever written.
     *
     * @return how many
     * @throws ErrnoException EIO when one is not what was written
     */
    long check() {
        long checked = 0;
        for (long page = 0; page < count; page++) {
            if (table.isWritten(page)) {
                table.check(page(page), page, STEP);
                checked++;
            }
        }
        return checked;
    }

    private MemorySegment page(long page) {
        return ram.segment(at + page * PAGE, PAGE);
    }
}
