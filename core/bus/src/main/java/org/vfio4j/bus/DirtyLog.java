package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENOSPC;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;

/**
 * Which pages of an address space a device has written: bits in chunks that come into being where something is written, so that a
 * log costs memory for what was touched and not for what is mapped. Addresses need not be mapped, or stay so.
 *
 * <p>Windows {@link #mark} without a lock, any number at once; a mark allocates only when it is the first in its chunk. One
 * thread at a time reads.
 *
 * <p>No write is lost. A writer's order is: write the memory, then set the bit (release). A reader's is: take the bit away
 * (acquire), then let the user copy the memory. Setting and taking are atomic operations on one word, so one comes first. If
 * the bit is set first, the reader finds it, and what was written before is visible to the copy. If it is taken first, the new bit
 * stays for the next report. Hence a mark must not skip a bit that it sees set already: it may be seen set just before a reader
 * takes it, while the write is still on its way to memory. A chunk is found by whoever reads after its first bit was set,
 * because it is published with a compare-and-set and never taken out.
 *
 * <p>That the writes of the moment in which a log begins are not lost either is the business of who begins it: every window that
 * was online has to {@link DmaWindow#leave} between that moment and the time when the user counts on the log.
 */
public final class DirtyLog {

    /** What a log has room for: 2 TiB of memory in pages of 4 KiB, in 64 MiB. */
    public static final int MAX_CHUNKS = 1 << 16;

    private static final int CHUNK_WORDS = 128;
    private static final int CHUNK_PAGES = CHUNK_WORDS * Long.SIZE;
    private static final int CHUNK_SHIFT = Integer.numberOfTrailingZeros(CHUNK_PAGES);
    private static final int BUCKETS = 1 << 12;

    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);

    /** Neighbouring pages. {@code number} is that of the first one divided by {@link #CHUNK_PAGES}. */
    private static final class Chunk {
        final long number;
        final @Nullable Chunk next;
        final long[] words = new long[CHUNK_WORDS];

        Chunk(long number, @Nullable Chunk next) {
            this.number = number;
            this.next = next;
        }
    }

    private final int pageShift;
    private final AtomicReferenceArray<@Nullable Chunk> buckets = new AtomicReferenceArray<>(BUCKETS);
    private final AtomicInteger chunks = new AtomicInteger();
    private volatile boolean full;

    /** @param pageBytes a power of two */
    public DirtyLog(long pageBytes) {
        pageShift = Long.numberOfTrailingZeros(pageBytes);
    }

    /** Marks every page of a range. */
    public void mark(long iova, long length) {
        long page = iova >>> pageShift;
        long last = (iova + length - 1) >>> pageShift;
        while (page <= last) {
            long end = Math.min(last, page | (CHUNK_PAGES - 1));
            Chunk chunk = findOrAdd(page >>> CHUNK_SHIFT);
            if (chunk == null) {
                return;
            }
            mark(chunk.words, (int) page & (CHUNK_PAGES - 1), (int) end & (CHUNK_PAGES - 1));
            page = end + 1;
        }
    }

    /**
     * Names each page marked that has a byte in a range, and forgets those that have all their bytes in it.
     *
     * @param last the last byte of the range
     * @param dirtyPage takes the address of each
     * @throws ErrnoException ENOSPC when more was written than there is room for: what the log says is not all
     */
    public void readAndClear(long iova, long last, LongConsumer dirtyPage) {
        if (full) {
            throw new ErrnoException(ENOSPC, "the log is full: it has room for " + MAX_CHUNKS + " places");
        }
        long firstPage = iova >>> pageShift;
        long lastPage = last >>> pageShift;
        long firstNumber = firstPage >>> CHUNK_SHIFT;
        long lastNumber = lastPage >>> CHUNK_SHIFT;
        // Pages that reach out of the range are named but not forgotten.
        long firstWhole = (iova & ((1L << pageShift) - 1)) == 0 ? firstPage : firstPage + 1;
        long endOfWhole = (last + 1 & ((1L << pageShift) - 1)) == 0 ? lastPage + 1 : lastPage;
        PageRange range = new PageRange(firstPage, lastPage, firstWhole, endOfWhole, dirtyPage);
        if (lastNumber - firstNumber < BUCKETS) {
            for (long number = firstNumber; number <= lastNumber; number++) {
                Chunk chunk = find(buckets.get(bucket(number)), number);
                if (chunk != null) {
                    read(chunk, range);
                }
            }
        } else {
            for (int i = 0; i < BUCKETS; i++) {
                for (Chunk chunk = buckets.get(i); chunk != null; chunk = chunk.next) {
                    if (chunk.number >= firstNumber && chunk.number <= lastNumber) {
                        read(chunk, range);
                    }
                }
            }
        }
    }

    /** What a reader wants: pages from first to last, of which those from firstWhole to before endOfWhole are forgotten. */
    private record PageRange(long first, long last, long firstWhole, long endOfWhole, LongConsumer dirtyPage) {}

    private void read(Chunk chunk, PageRange range) {
        for (int i = 0; i < CHUNK_WORDS; i++) {
            long base = chunk.number * CHUNK_PAGES + (long) i * Long.SIZE;
            long named = bits(base, range.first(), range.last() + 1);
            if (((long) WORD.getOpaque(chunk.words, i) & named) == 0) {
                continue;
            }
            long forgotten = bits(base, range.firstWhole(), range.endOfWhole());
            long found = (long) WORD.getAndBitwiseAndAcquire(chunk.words, i, ~forgotten) & named;
            for (long left = found; left != 0; left &= left - 1) {
                range.dirtyPage().accept((base + Long.numberOfTrailingZeros(left)) << pageShift);
            }
        }
    }

    /** The bits of the word that begins with page {@code base} whose pages are from {@code from} to before {@code to}. */
    private static long bits(long base, long from, long to) {
        long low = Math.max(from - base, 0);
        long high = Math.min(to - base, Long.SIZE);
        return low >= high ? 0 : (-1L << low) & (-1L >>> (Long.SIZE - high));
    }

    private static void mark(long[] words, int first, int last) {
        for (int i = first / Long.SIZE; i <= last / Long.SIZE; i++) {
            WORD.getAndBitwiseOrRelease(words, i, bits((long) i * Long.SIZE, first, last + 1L));
        }
    }

    private @Nullable Chunk findOrAdd(long number) {
        int bucket = bucket(number);
        while (true) {
            Chunk head = buckets.get(bucket);
            Chunk found = find(head, number);
            if (found != null) {
                return found;
            }
            if (chunks.get() >= MAX_CHUNKS) {
                full = true;
                return null;
            }
            Chunk added = new Chunk(number, head);
            if (buckets.compareAndSet(bucket, head, added)) {
                chunks.incrementAndGet();
                return added;
            }
        }
    }

    private static @Nullable Chunk find(@Nullable Chunk head, long number) {
        Chunk chunk = head;
        while (chunk != null && chunk.number != number) {
            chunk = chunk.next;
        }
        return chunk;
    }

    // Neighbours fall into different buckets.
    private static int bucket(long number) {
        return (int) (number ^ number >>> 12 ^ number >>> 24) & (BUCKETS - 1);
    }
}
