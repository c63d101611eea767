package org.vfio4j.i40evfiopci;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.i40e.I40eRing;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/**
 * The pages that a function writes by its rings, from when logging began. Belongs to the user's thread.
 *
 * <p>A queue that starts meanwhile may have used its first buffers before anybody has seen what they are, so that from then on
 * every page counts as written once more.
 */
final class DirtyRings {

    /** The most pages that are named because nobody knows better: 32 GiB. */
    static final long MAX_UNKNOWN_PAGES = 1 << 23;

    private static final int BAR = 0;
    private static final int MAX_TOLD = 4096;

    private final PciFunction function;
    private final I40eVfControl vf;
    private final GuestRings memory;
    private final PageSet dirty;
    private final AdminRings admin;
    private final Map<Integer, ReceiveRing> receive = new HashMap<>();
    private final Map<Integer, TransmitRing> transmit = new HashMap<>();

    // The ranges that were named whole since buffers were used unseen.
    private final Set<Range> told = new HashSet<>();
    private List<I40eRing> followed;
    private boolean unseen;

    /**
     * @param vf stopped for as long as this takes
     * @param dirty takes what was written
     * @param unseen whether the function has written before, and nobody has looked
     */
    DirtyRings(PciFunction function, I40eVfControl vf, GuestRings memory, PageSet dirty, boolean unseen) {
        this.function = function;
        this.vf = vf;
        this.memory = memory;
        this.dirty = dirty;
        this.unseen = unseen;
        this.admin = new AdminRings(function, memory, dirty);
        this.followed = vf.rings();
        followed.forEach(this::follow);
    }

    /** The guest is about to write a tail register. */
    void posted(boolean receives, int queue, int newTail) {
        followChanges();
        if (receives && receive.containsKey(queue)) {
            // From where the function has it: what was posted past the traps, if anything, is caught up with first.
            receive.get(queue).posted(tail(queue));
            receive.get(queue).posted(newTail);
        } else if (!receives && transmit.containsKey(queue)) {
            transmit.get(queue).posted();
        }
    }

    void readAndClear(Range range, LongConsumer dirtyPage) {
        collect();
        boolean blind = admin.isBlind() || receive.values().stream().anyMatch(ReceiveRing::isBlind);
        if (blind || (unseen && tell(range))) {
            nameAll(range, dirtyPage);
        } else {
            dirty.takeFrom(range.iova(), range.sizeBytes(), dirtyPage);
        }
    }

    /** Adds all that may have been written. */
    void collect() {
        followChanges();
        admin.collect();
        collectRings();
    }

    private void collectRings() {
        receive.forEach((queue, ring) -> {
            ring.posted(tail(queue));
            ring.collect();
        });
        transmit.values().forEach(TransmitRing::collect);
    }

    // A queue may be stopped and started elsewhere at any time, or where it was: what is known of the old rings stays
    // dirty.
    @SuppressWarnings("ReferenceEquality") // another list is a change, whatever is in it
    private void followChanges() {
        List<I40eRing> now = vf.rings();
        if (now == followed) {
            return;
        }
        collectRings();
        receive.clear();
        transmit.clear();
        followed = now;
        followed.forEach(this::follow);
        if (!receive.isEmpty()) {
            unseen = true;
            told.clear();
        }
    }

    private void follow(I40eRing ring) {
        if (ring.receives()) {
            receive.put(ring.queue(), new ReceiveRing(memory, dirty, ring, tail(ring.queue())));
        } else {
            transmit.put(ring.queue(), new TransmitRing(memory, dirty, ring));
        }
    }

    private boolean tell(Range range) {
        if (told.size() == MAX_TOLD) {
            told.clear();
        }
        return told.add(range);
    }

    private void nameAll(Range range, LongConsumer dirtyPage) {
        long first = Long.divideUnsigned(range.iova(), PageSet.PAGE_BYTES);
        long last = Long.divideUnsigned(range.last(), PageSet.PAGE_BYTES);
        if (last - first >= MAX_UNKNOWN_PAGES) {
            told.remove(range);
            throw new ErrnoException(
                    EINVAL,
                    "log of DMA writes: all of " + range + " may be written, and " + MAX_UNKNOWN_PAGES
                            + " pages are the most that can be named at once");
        }
        dirty.takeFrom(range.iova(), range.sizeBytes(), page -> {});
        for (long page = first; page <= last; page++) {
            dirtyPage.accept(page * PageSet.PAGE_BYTES);
        }
    }

    private int tail(int queue) {
        return (int) function.barRead(BAR, TailTracking.RX_TAILS + (long) Integer.BYTES * queue, Integer.BYTES);
    }
}
