package org.vfio4j.i40evfiopci;

import static org.vfio4j.sys.Errno.ENOSPC;

import java.util.BitSet;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.vfio4j.sys.ErrnoException;

/** A set of pages of IO addresses: bits for neighbouring ones, so that it stays small for any memory. Not safe for threads. */
final class PageSet {

    static final int PAGE_BYTES = 4096;

    /** What there is room for: 2 TiB of memory, in 64 MiB. A guest can name addresses everywhere. */
    static final int MAX_CHUNKS = 1 << 14;

    private static final int CHUNK_PAGES = 1 << 15;

    // By unsigned number: addresses from 2^63 on are as good as others.
    private final TreeMap<Long, BitSet> chunks = new TreeMap<>(Long::compareUnsigned);
    private boolean full;

    /** Adds the pages that a range has a byte of. */
    void add(long iova, long bytes) {
        if (bytes <= 0) {
            return;
        }
        long last = Long.divideUnsigned(iova + bytes - 1, PAGE_BYTES);
        for (long page = Long.divideUnsigned(iova, PAGE_BYTES); page <= last; page++) {
            BitSet chunk = chunks.get(page / CHUNK_PAGES);
            if (chunk == null) {
                if (chunks.size() == MAX_CHUNKS) {
                    full = true;
                    return;
                }
                chunk = new BitSet();
                chunks.put(page / CHUNK_PAGES, chunk);
            }
            chunk.set((int) (page % CHUNK_PAGES));
        }
    }

    /**
     * Names the pages that a range has a byte of, by ascending address, and takes out those that have all their bytes in it.
     *
     * @throws ErrnoException ENOSPC when there was no room for some page: what is here is not all
     */
    void takeFrom(long iova, long bytes, LongConsumer page) {
        if (full) {
            throw new ErrnoException(ENOSPC, "the log is full: it has room for " + MAX_CHUNKS + " places");
        }
        long first = Long.divideUnsigned(iova, PAGE_BYTES);
        long last = Long.divideUnsigned(iova + bytes - 1, PAGE_BYTES);
        long firstWhole = iova % PAGE_BYTES == 0 ? first : first + 1;
        long endOfWhole = (iova + bytes) % PAGE_BYTES == 0 ? last + 1 : last;
        var inside = chunks.subMap(first / CHUNK_PAGES, true, last / CHUNK_PAGES, true);
        inside.forEach((number, bits) -> {
            long base = number * CHUNK_PAGES;
            int from = (int) Math.max(0, first - base);
            int to = (int) Math.min(CHUNK_PAGES, last - base + 1);
            for (int bit = bits.nextSetBit(from); bit >= 0 && bit < to; bit = bits.nextSetBit(bit + 1)) {
                page.accept((base + bit) * PAGE_BYTES);
            }
            int wholeFrom = (int) Math.min(to, Math.max(from, firstWhole - base));
            bits.clear(wholeFrom, (int) Math.max(wholeFrom, Math.min(to, endOfWhole - base)));
        });
        inside.values().removeIf(BitSet::isEmpty);
    }
}
