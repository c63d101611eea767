package org.vfio4j.devicemodel;

import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;

/**
 * What a {@link QueueThread} does for its device: finds requests in the device's queues, has them carried out, and reports
 * their completion. Every method is called by the queue thread, and allocates nothing once warm.
 *
 * <p>The window that a call brings is online. Whatever {@link DmaWindow#translate} said before is void after {@link #entered}.
 */
public interface QueueWork {

    /** {@link #poll}: nothing can be done now, but not because nothing is wanted: ask again in a moment. */
    int LATER = -1;

    /** {@link #waitNs}: there is nothing to wait for. */
    long NOTHING = Long.MAX_VALUE;

    /** Whether the device's state lets its queues run: cheap, asked before each pass. */
    boolean ready();

    /**
     * The thread has started, or has decided to go on: opens what belongs to a thread.
     *
     * @param eventFd what wakes the thread from its sleep, for I/O that completes in the background; the thread keeps it
     */
    void begin(Fd eventFd);

    /** The thread is about to end, with nothing in flight: closes what {@link #begin} opened. */
    void end();

    /** The window has come online. */
    void entered(DmaWindow window);

    /** One pass: completes what is done, starts what is wanted. Returns how much it did, 0 for nothing, or {@link #LATER}. */
    int poll(DmaWindow window);

    /** The last {@link #poll} did nothing, with nothing to wait for, and it is {@code nowNs} now: the next one follows at once. */
    default void looked(long nowNs) {}

    /**
     * After a {@link #poll} that did nothing: in how many ns time alone lets it go on, as with requests that a rate holds back; or
     * {@link #NOTHING}. The thread sleeps until then, unless it is woken before; {@link #arm} then asks for storage's signals alone.
     */
    default long waitNs() {
        return NOTHING;
    }

    /**
     * The thread wants to sleep: asks the driver to notify and the storage to signal. Returns true when there is work after
     * all, which may have come before the request was seen.
     */
    boolean arm(DmaWindow window);

    /** The thread is awake and polls: notifications are not needed. */
    void disarm(DmaWindow window);

    /** Requests that have been started and not completed, and that may point into the window's memory. */
    int inFlight();

    /** Completes everything that is in flight, waiting for it, and starts nothing. */
    void drain(DmaWindow window);

    /** One of these methods threw: the device goes to its error state, in which it is not {@link #ready}. */
    void failed(Throwable cause);
}
