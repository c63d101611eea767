package org.vfio4j.vfio;

import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;

/**
 * Maps by address: an immutable radix tree, in which a lookup takes a step or two for each factor of 256 in the number of maps,
 * and a change copies the nodes on its way and shares all others.
 *
 * <p>A node divides an aligned range into equal slots. A slot has nothing, or the only map with bytes in it, or a node for the part
 * of it where its maps are. So there is no node with less than two maps, whatever the distances between them, and a map that
 * covers many slots is in all of them. A node with many maps knows of each slot that one mapped map fills where its memory is,
 * which spares a lookup the map itself: thousands of them do not stay in a processor's cache, a number for each does.
 */
final class DmaTree {

    /** The bits of a {@link Node#direct} that are the access. */
    static final int ACCESS = DmaSpace.READ | DmaSpace.WRITE;

    static final DmaTree EMPTY = new DmaTree(null);

    /** How many slots of a node have a map when it gets {@link Node#direct}. */
    private static final int MANY = 16;

    /** What a slot has: a map, or a node. */
    sealed interface Entry permits DmaMap, Node {}

    /**
     * Slots of {@code 2^shift} bytes from {@code base} on. Shifts are 0 and 4 + 8n, so that pages are slots; each but the two
     * outermost nodes' has 256 slots. Changed only until it is in a tree.
     */
    static final class Node implements Entry {
        final long base;
        final int shift;
        final @Nullable Entry[] slots;

        /**
         * For each slot that one mapped map fills: what to add to an IOVA in it for the address in this process, a multiple of 4,
         * and in the lowest two bits the access that the map allows. 0 for all others.
         */
        private long @Nullable [] direct;

        Node(long base, int shift, @Nullable Entry[] slots) {
            this.base = base;
            this.shift = shift;
            this.slots = slots;
        }

        /** {@link #direct} of a slot. */
        long direct(int slot) {
            return direct == null ? 0 : direct[slot];
        }

        void set(int slot, @Nullable Entry entry) {
            slots[slot] = entry;
            if (direct != null) {
                direct[slot] = directOf(slot);
            }
        }

        /** To be called after changes. */
        Node withDirect() {
            if (direct == null && maps() >= MANY) {
                direct = new long[slots.length];
                for (int slot = 0; slot < slots.length; slot++) {
                    direct[slot] = directOf(slot);
                }
            }
            return this;
        }

        private int maps() {
            int count = 0;
            for (Entry entry : slots) {
                if (entry instanceof DmaMap) {
                    count++;
                }
            }
            return count;
        }

        private long directOf(int slot) {
            if (!(slots[slot] instanceof DmaMap map) || map.host == 0) {
                return 0;
            }
            boolean fills = map.contains(firstOf(slot)) && map.contains(lastOf(slot));
            long offset = map.host - map.iova;
            return fills && (offset & ACCESS) == 0 ? offset | map.access : 0;
        }

        /** The smallest node that has room for all from {@code first} to {@code last}. */
        static Node spanning(long first, long last) {
            int shift = 0;
            while (nextShift(shift) < Long.SIZE && (first ^ last) >>> nextShift(shift) != 0) {
                shift = nextShift(shift);
            }
            int count = 1 << (nextShift(shift) - shift);
            return new Node(first & (-(long) count << shift), shift, new @Nullable Entry[count]);
        }

        private static int nextShift(int shift) {
            return shift == 0 ? 4 : Math.min(shift + 8, Long.SIZE);
        }

        Node copy() {
            Node copy = new Node(base, shift, slots.clone());
            copy.direct = direct == null ? null : direct.clone();
            return copy;
        }

        /** The slot of an address; none when it is not less than the number of slots, unsigned. */
        long slot(long address) {
            return (address - base) >>> shift;
        }

        boolean spans(long address) {
            return Long.compareUnsigned(slot(address), slots.length) < 0;
        }

        long last() {
            return lastOf(slots.length - 1);
        }

        long firstOf(int slot) {
            return base + ((long) slot << shift);
        }

        long lastOf(int slot) {
            return firstOf(slot) + (1L << shift) - 1;
        }
    }

    private final @Nullable Entry root;

    private DmaTree(@Nullable Entry root) {
        this.root = root;
    }

    /** The map that contains {@code address}. Allocates nothing. */
    @Nullable
    DmaMap find(long address) {
        Entry entry = root;
        while (entry instanceof Node node) {
            long slot = node.slot(address);
            if (Long.compareUnsigned(slot, node.slots.length) >= 0) {
                return null;
            }
            entry = node.slots[(int) slot];
        }
        return entry instanceof DmaMap map && map.contains(address) ? map : null;
    }

    /** The node that knows {@link Node#direct} of the slot of an address, if there is one. Allocates nothing. */
    @Nullable
    Node findDirect(long address) {
        Entry entry = root;
        while (entry instanceof Node node) {
            long slot = node.slot(address);
            if (Long.compareUnsigned(slot, node.slots.length) >= 0) {
                return null;
            }
            if (node.direct((int) slot) != 0) {
                return node;
            }
            entry = node.slots[(int) slot];
        }
        return null;
    }

    /** This tree and a map that overlaps none in it. */
    DmaTree plus(DmaMap map) {
        return new DmaTree(put(root, map, 0, -1L));
    }

    /** This tree without a map of it. */
    DmaTree minus(DmaMap map) {
        return new DmaTree(remove(root, map));
    }

    /** Adds what a map has in the range of a slot to what the slot has. */
    private static Entry put(@Nullable Entry entry, DmaMap map, long slotFirst, long slotLast) {
        if (entry == null) {
            return map;
        }
        long first = max(map.iova, slotFirst);
        long last = min(map.last(), slotLast);
        if (entry instanceof Node node && node.spans(first) && node.spans(last)) {
            return fill(node.copy(), map, first, last);
        }
        long otherFirst = entry instanceof DmaMap other ? max(other.iova, slotFirst) : ((Node) entry).base;
        long otherLast = entry instanceof DmaMap other ? min(other.last(), slotLast) : ((Node) entry).last();
        Node wider = Node.spanning(min(first, otherFirst), max(last, otherLast));
        for (long slot = wider.slot(otherFirst); slot <= wider.slot(otherLast); slot++) {
            wider.slots[(int) slot] = entry;
        }
        return fill(wider, map, first, last);
    }

    private static Node fill(Node node, DmaMap map, long first, long last) {
        for (int slot = (int) node.slot(first); slot <= (int) node.slot(last); slot++) {
            node.set(slot, put(node.slots[slot], map, node.firstOf(slot), node.lastOf(slot)));
        }
        return node.withDirect();
    }

    private static @Nullable Entry remove(@Nullable Entry entry, DmaMap map) {
        if (!(entry instanceof Node node)) {
            return entry == map ? null : entry;
        }
        long first = max(map.iova, node.base);
        long last = min(map.last(), node.last());
        if (Long.compareUnsigned(first, last) > 0) {
            return node;
        }
        Node rest = node.copy();
        for (int slot = (int) node.slot(first); slot <= (int) node.slot(last); slot++) {
            rest.set(slot, remove(rest.slots[slot], map));
        }
        return simplest(rest);
    }

    /** A node, or its only entry. */
    private static @Nullable Entry simplest(Node node) {
        Entry only = null;
        for (Entry entry : node.slots) {
            if (entry != null && entry != only) {
                if (only != null) {
                    return node;
                }
                only = entry;
            }
        }
        return only;
    }

    private static long min(long a, long b) {
        return Long.compareUnsigned(a, b) < 0 ? a : b;
    }

    private static long max(long a, long b) {
        return Long.compareUnsigned(a, b) > 0 ? a : b;
    }
}
