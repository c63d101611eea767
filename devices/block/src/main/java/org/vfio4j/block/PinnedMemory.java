package org.vfio4j.block;

import static org.vfio4j.sys.Errno.ENOSPC;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.IoUring;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MappingSet;

/**
 * Which of the requests' memory a ring has as registered buffers. A piece becomes one with the first request that lies in it, which waits
 * while the kernel allocates and pins it; and is none any more before the first request after its memory was taken away. No request can
 * name it in between, whatever is mapped at its address by then: it asks for the memory there is, and finds that it has changed.
 *
 * <p>Nothing is in flight, and nothing prepared, that uses a piece whose memory has been taken away. Belongs to the ring's thread; looking
 * for memory allocates nothing.
 */
final class PinnedMemory {

    /** Not registered. */
    static final int NONE = -1;

    /** Pieces of a ring: 256 GiB. */
    static final int PLACES = 256;

    /** The kernel's limit on one buffer, 1 GiB. */
    private static final int PIECE_SHIFT = 30;

    private static final long PIECE_BYTES = 1L << PIECE_SHIFT;

    /** @param places of the mapping's pieces in the ring's table, each {@link #NONE} until it is wanted */
    private record Pinned(Mapping mapping, int[] places) {

        static Pinned nothingOf(Mapping mapping) {
            int[] places = new int[(int) ((mapping.size() + PIECE_BYTES - 1) >>> PIECE_SHIFT)];
            Arrays.fill(places, NONE);
            return new Pinned(mapping, places);
        }

        long address(int piece) {
            return mapping.address() + ((long) piece << PIECE_SHIFT);
        }

        long bytes(int piece) {
            return Math.min(PIECE_BYTES, mapping.size() - ((long) piece << PIECE_SHIFT));
        }
    }

    private final IoUring ring;
    private final Supplier<MappingSet> memory;
    private final Pins pins;
    private final BitSet taken = new BitSet(PLACES);

    private MappingSet known = MappingSet.EMPTY;
    private Pinned[] mappings = {};

    // What was refused, 0 for nothing, and for which memory; null when that is all.
    private int refusal;
    private @Nullable Mapping refusedMapping;

    // What was hit last.
    private long hitAddress;
    private long hitBytes;
    private int hitPlace;

    PinnedMemory(IoUring ring, Supplier<MappingSet> memory, Pins pins) {
        this.ring = ring;
        this.memory = memory;
        this.pins = pins;
        int result = ring.registerBuffers(PLACES);
        if (result < 0) {
            refuse(-result, null);
        }
    }

    boolean isOf(IoUring other) {
        return ring == other;
    }

    /** The place in the ring's table of the buffer that has all of a range; or {@link #NONE}. */
    int place(long address, long length) {
        MappingSet now = memory.get();
        if (now != known) {
            follow(now);
        }
        long offset = address - hitAddress;
        if (Long.compareUnsigned(offset, hitBytes) < 0 && length <= hitBytes - offset) {
            return hitPlace;
        }
        return search(address, length);
    }

    /** Before the ring is closed, which pins nothing any more. */
    void close() {
        follow(MappingSet.EMPTY);
        forgive();
    }

    private int search(long address, long length) {
        for (Pinned pinned : mappings) {
            long offset = address - pinned.mapping.address();
            if (Long.compareUnsigned(offset, pinned.mapping.size()) < 0) {
                int piece = (int) (offset >>> PIECE_SHIFT);
                boolean within = length <= pinned.bytes(piece) - (offset & PIECE_BYTES - 1);
                return within ? placeOf(pinned, piece) : NONE;
            }
        }
        return NONE;
    }

    private int placeOf(Pinned pinned, int piece) {
        int place = pinned.places[piece];
        if (place == NONE) {
            place = pin(pinned, piece);
        }
        if (place != NONE) {
            hitAddress = pinned.address(piece);
            hitBytes = pinned.bytes(piece);
            hitPlace = place;
        }
        return place;
    }

    private int pin(Pinned pinned, int piece) {
        if (refusal != 0) {
            return NONE;
        }
        int place = taken.nextClearBit(0);
        if (place == PLACES) {
            refuse(ENOSPC, pinned.mapping);
            return NONE;
        }
        long bytes = pinned.bytes(piece);
        int result = ring.updateBuffer(place, pinned.address(piece), bytes);
        if (result < 0) {
            refuse(-result, pinned.mapping);
            return NONE;
        }
        taken.set(place);
        pinned.places[piece] = place;
        pins.add(bytes);
        return place;
    }

    /** Not tried again while the reason may be there: pinning a GiB in vain takes as long as pinning it. */
    private void refuse(int errno, @Nullable Mapping mapping) {
        refusal = errno;
        refusedMapping = mapping;
        pins.refused(errno);
    }

    private void forgive() {
        if (refusal != 0) {
            pins.over(refusal);
            refusal = 0;
            refusedMapping = null;
        }
    }

    private void follow(MappingSet now) {
        known = now;
        hitBytes = 0;
        List<Pinned> next = new ArrayList<>();
        List<Mapping> news = new ArrayList<>(now.all());
        for (Pinned pinned : mappings) {
            if (news.remove(pinned.mapping)) {
                next.add(pinned);
            } else if (unpin(pinned) || pinned.mapping.equals(refusedMapping)) {
                forgive();
            }
        }
        for (Mapping mapping : news) {
            next.add(Pinned.nothingOf(mapping));
        }
        mappings = next.toArray(Pinned[]::new);
    }

    /** Returns whether that made room. */
    private boolean unpin(Pinned pinned) {
        boolean any = false;
        for (int piece = 0; piece < pinned.places.length; piece++) {
            int place = pinned.places[piece];
            if (place != NONE) {
                ring.updateBuffer(place, 0, 0);
                taken.clear(place);
                pins.add(-pinned.bytes(piece));
                any = true;
            }
        }
        return any;
    }
}
