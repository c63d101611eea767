package org.vfio4j.i40evf;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A function's end of a {@link NetworkLink}. It outlives the function: when a migration has moved a function's state to
 * another, that other one takes over the port, and what was sent meanwhile has waited in the senders' rings.
 *
 * <p>A port is <i>down</i>, and what is sent to it is lost, as with a cable that is not plugged in; or <i>up</i>; or
 * <i>paused</i>, and what is sent to it waits in its sender's transmit ring.
 *
 * <p><b>Two sides.</b> One queue thread sends from a port, one receives at it: those of the function that holds it, which are the
 * same. A sender says that it is {@code sending} before it looks at the receivers' states and until it has put its frames; who
 * pauses a port first says so and then waits until nobody is sending, which takes microseconds: from then on no frame comes.
 */
public final class NetworkPort {

    /** {@link #admit}: nobody wants the packet. */
    static final int NOBODY = 0;

    /** {@link #admit}: the packet can be put now. */
    static final int ADMITTED = 1;

    /** {@link #admit}: some receiver is paused or has no room: the packet has to wait. */
    static final int WAIT = 2;

    private static final int DOWN = 0;
    private static final int UP = 1;
    private static final int PAUSED = 2;

    /** A receiver that takes nothing for so long loses frames instead of holding up its senders. */
    private static final long STALL_NS = TimeUnit.MILLISECONDS.toNanos(100);

    /** What a port does for the function that holds it. */
    interface Holder {

        /** Frames have come, or there is room for those that had to wait. From any queue thread; does not block. */
        void portReady();
    }

    private final NetworkLink link;
    private final int index;

    private volatile int state = DOWN;
    private volatile boolean sending;
    private volatile boolean waiting;
    private volatile MacFilters filters = MacFilters.NONE;
    private volatile @Nullable Holder holder;

    // Whether the holder has paused, and another one may take over.
    private volatile boolean yielded;

    // inbound[i] has what port i has sent; replaced under the link's lock, only ever by longer ones.
    private volatile FrameRing[] inbound = {};

    // The sending thread's.
    private boolean[] targets = {};
    private long touched;
    private int stalled;

    NetworkPort(NetworkLink link, int index) {
        this.link = link;
        this.index = index;
    }

    /** How many receivers do not get the packet that was {@link #admit}ted last because they take none. */
    int stalled() {
        return stalled;
    }

    /** Whether the caller holds the port, and it is up or not as the caller wants it. */
    boolean isHeld(Holder by, boolean receives) {
        return by.equals(holder) && !yielded && (state == UP) == receives;
    }

    /**
     * The caller sends from the port, and receives if it {@code receives}. What had come to one that received before is dropped
     * when it does not any more.
     *
     * @return false when another function holds the port, and has neither paused it nor gone
     */
    synchronized boolean hold(Holder by, boolean receives, MacFilters wanted) {
        Holder now = holder;
        if (now != null && !now.equals(by) && !yielded) {
            return false;
        }
        holder = by;
        yielded = false;
        filters = wanted;
        if (receives) {
            state = UP;
        } else {
            dropArrived();
        }
        return true;
    }

    synchronized void setFilters(Holder by, MacFilters wanted) {
        if (by.equals(holder)) {
            filters = wanted;
        }
    }

    /** The holder neither sends nor receives any more. Nothing happens when another one holds the port. */
    synchronized void leave(Holder by) {
        if (by.equals(holder)) {
            dropArrived();
            yielded = false;
            holder = null;
        }
    }

    /**
     * The holder neither sends nor receives for a while, and another function may take over. Nothing comes from now on, but stays
     * in the senders' rings; what has come before is the caller's to take.
     *
     * @return false when another one holds the port
     */
    synchronized boolean pause(Holder by) {
        if (!by.equals(holder)) {
            return false;
        }
        yielded = true;
        if (state == UP) {
            state = PAUSED;
            awaitSenders();
        }
        return true;
    }

    /** The rings with what has come, by sender; the array grows with the link. */
    FrameRing[] inbound() {
        return inbound;
    }

    /** The receiver has taken frames of a sender: there is room again. */
    void took(int sender) {
        NetworkPort port = link.ports()[sender];
        if (port.waiting) {
            port.waiting = false;
            port.wake();
        }
    }

    /**
     * Begins to send a packet. After {@link #ADMITTED} the sender calls {@link #put} for each frame; after any answer, and without
     * looking at guest memory before, it calls {@link #end}.
     *
     * @param destination see {@link MacFilters#address}
     * @param size sum of {@link FrameRing#sizeOf} over the packet's frames
     * @param longest the largest of these
     */
    int admit(long destination, int size, int longest) {
        // A store and later loads: volatile accesses keep their order.
        sending = true;
        NetworkPort[] ports = link.ports();
        if (targets.length < ports.length) {
            targets = new boolean[ports.length];
        }
        boolean wanted = false;
        stalled = 0;
        for (int i = 0; i < ports.length; i++) {
            NetworkPort port = ports[i];
            targets[i] = false;
            if (i == index || port.state == DOWN || !port.filters.wants(destination)) {
                continue;
            }
            if (port.state == PAUSED) {
                return mustWait();
            }
            FrameRing ring = port.inbound[index];
            if (ring.hasRoom(size, longest)) {
                ring.setFullSinceNs(0);
                targets[i] = true;
                wanted = true;
            } else if (isStalled(ring)) {
                stalled++;
            } else {
                return mustWait();
            }
        }
        return wanted ? ADMITTED : NOBODY;
    }

    void put(byte[] frame, int offset, int length) {
        NetworkPort[] ports = link.ports();
        for (int i = 0; i < targets.length; i++) {
            if (targets[i]) {
                ports[i].inbound[index].put(frame, offset, length);
                touched |= 1L << i;
            }
        }
    }

    void end() {
        sending = false;
    }

    /** After a batch of packets: wakes whoever got one. */
    void flush() {
        NetworkPort[] ports = link.ports();
        for (int i = 0; touched != 0; i++) {
            if ((touched & (1L << i)) != 0) {
                touched &= ~(1L << i);
                ports[i].wake();
            }
        }
    }

    void growTo(int ports) {
        FrameRing[] before = inbound;
        FrameRing[] all = Arrays.copyOf(before, ports);
        for (int i = before.length; i < ports; i++) {
            all[i] = new FrameRing();
        }
        inbound = all;
    }

    private int mustWait() {
        waiting = true;
        return WAIT;
    }

    private static boolean isStalled(FrameRing ring) {
        long now = System.nanoTime();
        if (ring.fullSinceNs() == 0) {
            ring.setFullSinceNs(now);
        }
        return now - ring.fullSinceNs() > STALL_NS;
    }

    private void wake() {
        Holder by = holder;
        if (by != null) {
            by.portReady();
        }
    }

    private void dropArrived() {
        if (state != DOWN) {
            state = DOWN;
            awaitSenders();
            for (FrameRing ring : inbound) {
                ring.clear();
            }
        }
    }

    private void awaitSenders() {
        for (NetworkPort port : link.ports()) {
            while (port != this && port.sending) {
                Thread.onSpinWait();
            }
        }
    }
}
