package org.vfio4j.i40evf;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.i40e.I40eRing;

/**
 * All of a function's state but its registers: what the driver has agreed on and set up by messages, and the queues. Belongs to
 * the queue thread.
 */
final class VfConfig {

    /** A queue that no vector tells of. */
    static final int NO_VECTOR = 0xffff;

    final int queuePairs;
    final TxQueue[] tx;
    final RxQueue[] rx;

    /** The address that the function has without the driver's doing. */
    long macAddress;

    /** The minor version of the messages that the driver has asked for. */
    int minorVersion;

    MacFilters filters;

    /** The driver is to be told of the link, or of a fault, as soon as it has a buffer for it. */
    boolean linkEvent;

    boolean resetEvent;

    VfConfig(int queuePairs, long macAddress, GuestDma dma, VfCounters counters) {
        this.queuePairs = queuePairs;
        this.macAddress = macAddress;
        tx = new TxQueue[queuePairs];
        rx = new RxQueue[queuePairs];
        TxPacket packet = new TxPacket();
        for (int i = 0; i < queuePairs; i++) {
            tx[i] = new TxQueue(dma, packet, counters);
            rx[i] = new RxQueue(dma);
        }
        filters = MacFilters.NONE;
        reset();
    }

    void reset() {
        for (int i = 0; i < queuePairs; i++) {
            tx[i].reset();
            rx[i].reset();
        }
        minorVersion = Virtchnl.VIRTCHNL_VERSION_MINOR;
        filters = MacFilters.NONE.with(macAddress);
        linkEvent = false;
        resetEvent = false;
    }

    /** Whether some queue has been started. */
    boolean isStarted() {
        for (int i = 0; i < queuePairs; i++) {
            if (tx[i].enabled || rx[i].enabled) {
                return true;
            }
        }
        return false;
    }

    /** The rings that are in use. */
    List<I40eRing> rings() {
        List<I40eRing> rings = new ArrayList<>();
        for (int i = 0; i < queuePairs; i++) {
            if (tx[i].enabled) {
                rings.add(new I40eRing(false, i, tx[i].ring, tx[i].count, TxDescriptor.BYTES, 0));
            }
            if (rx[i].enabled) {
                rings.add(new I40eRing(true, i, rx[i].ring, rx[i].count, RxQueue.BYTES, rx[i].bufferBytes));
            }
        }
        return List.copyOf(rings);
    }

    /** The queue that frames go to: the first, since there is no hashing. */
    RxQueue receiving() {
        return rx[0];
    }
}
