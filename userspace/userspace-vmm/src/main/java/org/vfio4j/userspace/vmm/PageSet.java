package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** Pages of a guest's memory that are still to be sent. Belongs to one thread. */
final class PageSet {

    private static final int PAGE_SHIFT = Integer.numberOfTrailingZeros(GuestMemory.PAGE_BYTES);
    private static final int WORD_SHIFT = PAGE_SHIFT + 6;

    /** Takes pages that follow each other. */
    @FunctionalInterface
    interface Run {
        void take(long iova, long length);
    }

    private final List<GuestMemory.Range> ranges;

    /** By range; each is a multiple of 64 pages long. */
    private final long[][] words;

    PageSet(List<GuestMemory.Range> ranges) {
        this.ranges = List.copyOf(ranges);
        words = new long[ranges.size()][];
        for (int i = 0; i < words.length; i++) {
            words[i] = new long[Math.toIntExact(ranges.get(i).sizeBytes() >>> WORD_SHIFT)];
        }
    }

    List<GuestMemory.Range> ranges() {
        return ranges;
    }

    void addAll() {
        for (long[] range : words) {
            Arrays.fill(range, -1L);
        }
    }

    void clear() {
        for (long[] range : words) {
            Arrays.fill(range, 0);
        }
    }

    void add(long iova) {
        int index = rangeOf(iova);
        long page = (iova - ranges.get(index).iova()) >>> PAGE_SHIFT;
        words[index][(int) (page / Long.SIZE)] |= 1L << page;
    }

    /**
     * Adds what a report of a device says.
     *
     * @param iova what bit 0 stands for: the start of a range, or a multiple of 2 MiB behind it
     */
    void addBitmap(long iova, MemorySegment bitmap) {
        int index = rangeOf(iova);
        int first = (int) ((iova - ranges.get(index).iova()) >>> WORD_SHIFT);
        for (int i = 0; i < bitmap.byteSize() / Long.BYTES; i++) {
            words[index][first + i] |= bitmap.get(JAVA_LONG_UNALIGNED, (long) i * Long.BYTES);
        }
    }

    long bytes() {
        long pages = 0;
        for (long[] range : words) {
            for (long word : range) {
                pages += Long.bitCount(word);
            }
        }
        return pages << PAGE_SHIFT;
    }

    /** Names all of them, as few long runs. */
    void forEachRun(Run run) {
        for (int i = 0; i < words.length; i++) {
            long pages = (long) words[i].length * Long.SIZE;
            long from = next(words[i], 0, true);
            while (from < pages) {
                long to = next(words[i], from, false);
                run.take(ranges.get(i).iova() + (from << PAGE_SHIFT), (to - from) << PAGE_SHIFT);
                from = next(words[i], to, true);
            }
        }
    }

    private int rangeOf(long iova) {
        for (int i = 0; i < ranges.size(); i++) {
            if (iova >= ranges.get(i).iova() && iova < ranges.get(i).end()) {
                return i;
            }
        }
        throw new IllegalArgumentException("no page at 0x" + Long.toHexString(iova));
    }

    /** The first page from {@code page} on that is in the set, or is not; the number of pages when there is none. */
    private static long next(long[] words, long page, boolean in) {
        int word = (int) (page / Long.SIZE);
        if (word >= words.length) {
            return page;
        }
        long bits = (in ? words[word] : ~words[word]) & (-1L << page);
        while (bits == 0) {
            if (++word == words.length) {
                return (long) word * Long.SIZE;
            }
            bits = in ? words[word] : ~words[word];
        }
        return (long) word * Long.SIZE + Long.numberOfTrailingZeros(bits);
    }
}
