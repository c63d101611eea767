package org.vfio4j.vfio;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.vfio.DmaTree.Entry;

/**
 * A node of a {@link DmaTree}, immutable: an aligned range in equal slots, each of which has nothing, or the only map with bytes
 * in it, or a node for the part of it where its maps are.
 *
 * <p>Neighbouring slots with the same entry, or without one, are a run. A node keeps its runs, and a bit for each slot that
 * begins one: the bits up to a slot, counted, say which run is the slot's. So a node takes what its maps take, however wide they
 * are and however many of its slots have none.
 *
 * <p>Beside them a node with many runs has a number for each slot that spares a lookup the map itself: see {@link #direct}. And a
 * node whose slots are nodes of pages knows their numbers: see {@link #pages}. Thousands of maps do not stay in a processor's
 * cache, a number for each does.
 */
@SuppressWarnings("ReferenceEquality") // of arrays that nodes share: whether they do is the question
final class DmaNode implements Entry {

    /** Most nodes' number of slots; the two outermost have 16. */
    static final int SLOTS = 256;

    /** Of the nodes whose slots are pages. */
    static final int PAGE_SHIFT = 12;

    /** Of the nodes above them, which may have {@link #pages}. */
    static final int DIRECTORY_SHIFT = 20;

    /** The bits of a {@link #direct} that are the access. */
    static final int ACCESS = DmaSpace.READ | DmaSpace.WRITE;

    /** How many runs a node has when it gets {@link #direct}: fewer are found fast enough, and the numbers take 2 KiB. */
    static final int MANY = 8;

    static final long[][] NO_PAGES = {};

    private static final long[] NO_DIRECT = new long[SLOTS];

    /** The first byte. */
    final long base;

    /** Slots have {@code 2^shift} bytes: 0 or 4 + 8n, so that pages are slots. */
    final int shift;

    /** How many slots. */
    final int slots;

    /**
     * In nodes of {@link #DIRECTORY_SHIFT}: for each slot the {@link #direct} numbers of the node of pages in it, or nothing but
     * zeros. Empty when there are none.
     */
    final long[][] pages;

    // A bit for each slot that begins a run; the first always does.
    private final long[] starts;

    // How many runs begin before each word of starts, in 16 bits each.
    private final long before;

    private final @Nullable Entry[] runs;
    private final long[] direct;

    /** A node with nothing in it. */
    private DmaNode(long base, int shift, int slots) {
        this.base = base;
        this.shift = shift;
        this.slots = slots;
        starts = new long[(slots + Long.SIZE - 1) / Long.SIZE];
        starts[0] = 1;
        before = countBefore(starts);
        runs = new @Nullable Entry[1];
        direct = NO_DIRECT;
        pages = NO_PAGES;
    }

    /** A node as another, but for some slots. */
    private DmaNode(DmaNode other, @Nullable Entry[] entries, int from, int count) {
        base = other.base;
        shift = other.shift;
        slots = other.slots;
        starts = other.starts.clone();
        for (int slot = Math.max(from, 1); slot < Math.min(from + count + 1, slots); slot++) {
            long bit = 1L << slot;
            boolean begins = entries[slot] != entries[slot - 1];
            starts[slot / Long.SIZE] = begins ? starts[slot / Long.SIZE] | bit : starts[slot / Long.SIZE] & ~bit;
        }
        before = countBefore(starts);
        runs = runsOf(entries);
        direct = runs.length < MANY ? NO_DIRECT : other.directWith(entries, from, count);
        pages = shift == DIRECTORY_SHIFT ? other.pagesWith(entries, from, count) : NO_PAGES;
    }

    /** The smallest node that has room for all from {@code first} to {@code last}, with nothing in it. */
    static DmaNode spanning(long first, long last) {
        int shift = 0;
        while (nextShift(shift) < Long.SIZE && (first ^ last) >>> nextShift(shift) != 0) {
            shift = nextShift(shift);
        }
        int count = 1 << (nextShift(shift) - shift);
        long base = first & (-(long) count << shift);
        return new DmaNode(base, shift, count);
    }

    private static int nextShift(int shift) {
        return shift == 0 ? 4 : Math.min(shift + 8, Long.SIZE);
    }

    /** The slot of an address; none when it is not less than the number of slots, unsigned. */
    long slot(long address) {
        return (address - base) >>> shift;
    }

    boolean spans(long address) {
        return Long.compareUnsigned(slot(address), slots) < 0;
    }

    long last() {
        return lastOf(slots - 1);
    }

    long firstOf(int slot) {
        return base + ((long) slot << shift);
    }

    long lastOf(int slot) {
        return firstOf(slot) + (1L << shift) - 1;
    }

    /** What a slot has. */
    @Nullable
    Entry entry(int slot) {
        int word = slot / Long.SIZE;
        long upTo = -1L >>> (Long.SIZE - 1 - slot % Long.SIZE);
        return runs[((int) (before >>> (16 * word)) & 0xffff) + Long.bitCount(starts[word] & upTo) - 1];
    }

    /**
     * Of a slot that one mapped map fills: what to add to an IOVA in it for the address in this process, a multiple of 4, and in
     * the lowest two bits the access that the map allows. 0 for all others, and for all in a node that has few runs.
     */
    long direct(int slot) {
        return direct[slot];
    }

    /** This node with other entries from a slot on. */
    DmaNode with(int from, @Nullable Entry[] changed) {
        @Nullable Entry[] entries = entries();
        System.arraycopy(changed, 0, entries, from, changed.length);
        return new DmaNode(this, entries, from, changed.length);
    }

    /** The node's only entry, or the node when it has several; nothing when it has none. */
    @Nullable
    Entry simplest() {
        Entry only = null;
        for (Entry entry : runs) {
            if (entry != null && only != null) {
                return this;
            }
            only = entry != null ? entry : only;
        }
        return only;
    }

    /** The runs' entries, in order. */
    @Nullable
    Entry[] runs() {
        return runs.clone();
    }

    /** Whether the slots that maps fill are known by {@link #direct}. */
    boolean hasDirect() {
        return direct != NO_DIRECT;
    }

    private static long countBefore(long[] starts) {
        long counts = 0;
        int count = 0;
        for (int word = 0; word < starts.length; word++) {
            counts |= (long) count << (16 * word);
            count += Long.bitCount(starts[word]);
        }
        return counts;
    }

    private @Nullable Entry[] runsOf(@Nullable Entry[] entries) {
        int last = starts.length - 1;
        int count = ((int) (before >>> (16 * last)) & 0xffff) + Long.bitCount(starts[last]);
        @Nullable Entry[] found = new @Nullable Entry[count];
        int slot = 0;
        for (int run = 0; run < count; run++) {
            found[run] = entries[slot];
            slot = nextStart(slot);
        }
        return found;
    }

    /** Where the run behind a slot begins: the number of slots when there is none. */
    private int nextStart(int slot) {
        int next = slot + 1;
        int word = next / Long.SIZE;
        long left = word < starts.length ? starts[word] & (-1L << next) : 0;
        while (left == 0 && word < starts.length - 1) {
            word++;
            left = starts[word];
        }
        return left == 0 ? slots : word * Long.SIZE + Long.numberOfTrailingZeros(left);
    }

    private @Nullable Entry[] entries() {
        @Nullable Entry[] entries = new @Nullable Entry[slots];
        int slot = 0;
        for (Entry run : runs) {
            int next = nextStart(slot);
            if (run != null) {
                Arrays.fill(entries, slot, next, run);
            }
            slot = next;
        }
        return entries;
    }

    // From what was known of the others: to look at all maps again would miss the cache for each.
    private long[] directWith(@Nullable Entry[] entries, int from, int count) {
        long[] changed = direct;
        for (int slot = from; slot < from + count; slot++) {
            long known = directOf(slot, entries[slot]);
            if (known != changed[slot]) {
                changed = changed == direct ? ownDirect(entries) : changed;
                changed[slot] = known;
            }
        }
        return changed;
    }

    private long[] ownDirect(@Nullable Entry[] entries) {
        if (hasDirect()) {
            return direct.clone();
        }
        long[] built = new long[slots];
        for (int slot = 0; slot < slots; slot++) {
            built[slot] = directOf(slot, entries[slot]);
        }
        return built;
    }

    private long directOf(int slot, @Nullable Entry entry) {
        if (!(entry instanceof DmaMap map) || map.host == 0) {
            return 0;
        }
        boolean fills = map.contains(firstOf(slot)) && map.contains(lastOf(slot));
        long offset = map.host - map.iova;
        return fills && (offset & ACCESS) == 0 ? offset | map.access : 0;
    }

    private long[][] pagesWith(@Nullable Entry[] entries, int from, int count) {
        long[][] changed = pages;
        for (int slot = from; slot < from + count; slot++) {
            long[] known = entries[slot] instanceof DmaNode node && node.shift == PAGE_SHIFT ? node.direct : NO_DIRECT;
            if (known != (changed.length == 0 ? NO_DIRECT : changed[slot])) {
                changed = changed == pages ? ownPages() : changed;
                changed[slot] = known;
            }
        }
        return changed == pages || anyDirect(changed) ? changed : NO_PAGES;
    }

    private long[][] ownPages() {
        if (pages.length != 0) {
            return pages.clone();
        }
        long[][] none = new long[SLOTS][];
        Arrays.fill(none, NO_DIRECT);
        return none;
    }

    private static boolean anyDirect(long[][] pages) {
        for (long[] known : pages) {
            if (known != NO_DIRECT) {
                return true;
            }
        }
        return false;
    }
}
