package org.vfio4j.i40evfiopci;

import java.util.HashMap;
import java.util.Map;
import java.util.function.LongConsumer;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.i40e.I40eRing;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/** The pages that a function writes by its rings, from when logging began. Belongs to the user's thread. */
final class DirtyRings {

    private static final int BAR = 0;

    private final PciFunction function;
    private final I40eVfControl vf;
    private final GuestRings memory;
    private final AdminRings admin;
    private final PageSet dirty = new PageSet();
    private final Map<Integer, ReceiveRing> receive = new HashMap<>();
    private final Map<Integer, TransmitRing> transmit = new HashMap<>();

    /** @param vf stopped for as long as this takes */
    DirtyRings(PciFunction function, I40eVfControl vf, GuestRings memory) {
        this.function = function;
        this.vf = vf;
        this.memory = memory;
        this.admin = new AdminRings(function, memory, dirty);
        vf.rings().forEach(this::follow);
    }

    /** The guest is about to write a tail register. */
    void posted(boolean receives, int queue, int newTail) {
        for (I40eRing ring : vf.rings()) {
            if (ring.receives() == receives && ring.queue() == queue) {
                follow(ring);
            }
        }
        if (receives && receive.containsKey(queue)) {
            // From where the function has it: what was posted past the traps, if anything, is caught up with first.
            receive.get(queue).posted(tail(queue));
            receive.get(queue).posted(newTail);
        } else if (!receives && transmit.containsKey(queue)) {
            transmit.get(queue).posted();
        }
    }

    void readAndClear(Range range, LongConsumer dirtyPage) {
        vf.rings().forEach(this::follow);
        admin.collect();
        receive.forEach((queue, ring) -> {
            ring.posted(tail(queue));
            ring.collect();
        });
        transmit.values().forEach(TransmitRing::collect);
        if (receive.values().stream().anyMatch(ReceiveRing::isBlind)) {
            dirty.add(range.iova(), range.sizeBytes());
        }
        dirty.takeFrom(range.iova(), range.sizeBytes(), dirtyPage);
    }

    // A queue may be stopped and started elsewhere at any time; what is known of the old ring stays dirty.
    private void follow(I40eRing ring) {
        if (ring.receives()) {
            ReceiveRing known = receive.get(ring.queue());
            if (known == null || !known.ring().equals(ring)) {
                if (known != null) {
                    known.collect();
                }
                receive.put(ring.queue(), new ReceiveRing(memory, dirty, ring, tail(ring.queue())));
            }
            return;
        }
        TransmitRing known = transmit.get(ring.queue());
        if (known == null || !known.ring().equals(ring)) {
            if (known != null) {
                known.collect();
            }
            transmit.put(ring.queue(), new TransmitRing(memory, dirty, ring));
        }
    }

    private int tail(int queue) {
        return (int) function.barRead(BAR, TailTracking.RX_TAILS + (long) Integer.BYTES * queue, Integer.BYTES);
    }
}
