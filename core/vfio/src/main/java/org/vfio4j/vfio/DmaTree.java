package org.vfio4j.vfio;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Maps by address: an immutable radix tree, in which a lookup takes a step or two for each factor of 256 in the number of maps,
 * and a change makes the nodes on its way anew and shares all others.
 *
 * <p>There is no node with less than two maps, whatever the distances between them, and a map that covers many slots is in all
 * of them. That bounds what a client can make of it, wherever it puts its maps: each node is the one that tells some pair of
 * neighbours apart, so there are fewer nodes than maps; no way is longer than 9 nodes, and a change makes at most two of each
 * level.
 */
final class DmaTree {

    static final DmaTree EMPTY = new DmaTree(null);

    /** What a slot of a node has: a map, or a node. */
    sealed interface Entry permits DmaMap, DmaNode {}

    private final @Nullable Entry root;

    private DmaTree(@Nullable Entry root) {
        this.root = root;
    }

    /** Where lookups begin. */
    @Nullable
    Entry root() {
        return root;
    }

    /** The map that contains {@code address}. Allocates nothing. */
    @Nullable
    DmaMap find(long address) {
        Entry entry = root;
        while (entry instanceof DmaNode node) {
            if (!node.spans(address)) {
                return null;
            }
            entry = node.entry((int) node.slot(address));
        }
        return entry instanceof DmaMap map && map.contains(address) ? map : null;
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
        if (entry instanceof DmaNode node && node.spans(first) && node.spans(last)) {
            return fill(node, map, first, last);
        }
        long otherFirst = entry instanceof DmaMap other ? max(other.iova, slotFirst) : ((DmaNode) entry).base;
        long otherLast = entry instanceof DmaMap other ? min(other.last(), slotLast) : ((DmaNode) entry).last();
        DmaNode wider = DmaNode.spanning(min(first, otherFirst), max(last, otherLast));
        int from = (int) wider.slot(otherFirst);
        @Nullable Entry[] others = new @Nullable Entry[(int) wider.slot(otherLast) - from + 1];
        Arrays.fill(others, entry);
        return fill(wider.with(from, others), map, first, last);
    }

    private static DmaNode fill(DmaNode node, DmaMap map, long first, long last) {
        int from = (int) node.slot(first);
        @Nullable Entry[] changed = new @Nullable Entry[(int) node.slot(last) - from + 1];
        for (int i = 0; i < changed.length; i++) {
            int slot = from + i;
            changed[i] = put(node.entry(slot), map, node.firstOf(slot), node.lastOf(slot));
        }
        return node.with(from, changed);
    }

    private static @Nullable Entry remove(@Nullable Entry entry, DmaMap map) {
        if (!(entry instanceof DmaNode node)) {
            return entry == map ? null : entry;
        }
        long first = max(map.iova, node.base);
        long last = min(map.last(), node.last());
        if (Long.compareUnsigned(first, last) > 0) {
            return node;
        }
        int from = (int) node.slot(first);
        @Nullable Entry[] changed = new @Nullable Entry[(int) node.slot(last) - from + 1];
        for (int i = 0; i < changed.length; i++) {
            changed[i] = remove(node.entry(from + i), map);
        }
        return node.with(from, changed).simplest();
    }

    private static long min(long a, long b) {
        return Long.compareUnsigned(a, b) < 0 ? a : b;
    }

    private static long max(long a, long b) {
        return Long.compareUnsigned(a, b) > 0 ? a : b;
    }
}
