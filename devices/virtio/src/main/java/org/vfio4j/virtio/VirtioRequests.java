package org.vfio4j.virtio;

import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;

/**
 * What a device type does with the chains of its queues, or of the share of them that one queue thread has: that thread calls every
 * method.
 *
 * <p>A served chain goes back by {@link SplitQueue#used}, at once or in a later {@link #complete}, in any order.
 */
public interface VirtioRequests {

    /** {@link #serveSlowly}: the user went away or reset the device meanwhile. The chain stays, and is served again later. */
    long CUT_SHORT = -1;

    /** @param eventFd what to signal when something completes, once {@link #arm} was called; the caller keeps it */
    void begin(Fd eventFd);

    /** Undoes {@link #begin}; nothing is in flight. */
    void end();

    /**
     * Takes up to {@code waiting} chains of a queue whose memory is mapped, and starts them. A chain that translated addresses
     * alone do not reach it gives back by {@link SplitQueue#takeSlowly}, and stops.
     *
     * @return how many it took
     */
    int serve(SplitQueue queue, int waiting, DmaWindow window);

    /**
     * Takes one chain and carries it out to its end by {@link DmaWindow#read} and {@link DmaWindow#write}, while nothing else
     * is in flight. It does not put it into the used ring.
     *
     * @return the bytes that it wrote from the start of the writable part on; {@link #CUT_SHORT}
     */
    long serveSlowly(SplitQueue queue, DescriptorChain chain, DmaWindow window);

    /** Submits what was started and completes what is done. Returns how many completed. */
    int complete();

    int inFlight();

    /**
     * 0 when it takes chains, or else for how many ns it takes none, because of a rate that it keeps. While it is more than 0,
     * {@link #serve} takes nothing, and {@link #serveSlowly} is not called for a new chain.
     */
    default long waitNs() {
        return 0;
    }

    /** Whether no more can be in flight: waiting chains wait until something completes. */
    boolean isFull();

    /** Waits for everything that is in flight and completes it. */
    void drain();

    /** Asks for a signal on the eventfd when something completes. Returns true when something has already. */
    boolean arm();

    /** Stops the signals. */
    void disarm();

    /** The device has failed: ends whatever is in flight without completing it. Does not throw. */
    void abandon();
}
