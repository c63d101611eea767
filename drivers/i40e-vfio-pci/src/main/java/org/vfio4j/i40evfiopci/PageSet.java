package org.vfio4j.i40evfiopci;

import java.util.BitSet;
import java.util.TreeMap;
import java.util.function.LongConsumer;

/** A set of pages of IO addresses: bits for neighbouring ones, so that it stays small for any memory. Not safe for threads. */
final class PageSet {

    static final int PAGE_BYTES = 4096;

    private static final int CHUNK_PAGES = 1 << 15;

    // By unsigned number: addresses from 2^63 on are as good as others.
    private final TreeMap<Long, BitSet> chunks = new TreeMap<>(Long::compareUnsigned);

    /** Adds the pages that a range has a byte of. */
    void add(long iova, long bytes) {
        if (bytes <= 0) {
            return;
        }
        long last = Long.divideUnsigned(iova + bytes - 1, PAGE_BYTES);
        for (long page = Long.divideUnsigned(iova, PAGE_BYTES); page <= last; page++) {
            chunks.computeIfAbsent(page / CHUNK_PAGES, number -> new BitSet()).set((int) (page % CHUNK_PAGES));
        }
    }

    /** Names the pages that a range has a byte of, by ascending address, and takes them out. */
    void takeFrom(long iova, long bytes, LongConsumer page) {
        long first = Long.divideUnsigned(iova, PAGE_BYTES);
        long last = Long.divideUnsigned(iova + bytes - 1, PAGE_BYTES);
        var inside = chunks.subMap(first / CHUNK_PAGES, true, last / CHUNK_PAGES, true);
        inside.forEach((number, bits) -> {
            long base = number * CHUNK_PAGES;
            int from = (int) Math.max(0, first - base);
            int to = (int) Math.min(CHUNK_PAGES, last - base + 1);
            for (int bit = bits.nextSetBit(from); bit >= 0 && bit < to; bit = bits.nextSetBit(bit + 1)) {
                page.accept((base + bit) * PAGE_BYTES);
            }
            bits.clear(from, to);
        });
        inside.values().removeIf(BitSet::isEmpty);
    }

    void clear() {
        chunks.clear();
    }
}
