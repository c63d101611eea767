package org.vfio4j.i40evf;

import java.util.concurrent.atomic.AtomicLongArray;

/** {@code struct eth_stats} and what else a function counts. Belongs to the queue thread; others read it without a lock. */
final class VfCounters {

    static final int RX_BYTES = 0;
    static final int RX_UNICAST = 1;
    static final int RX_MULTICAST = 2;
    static final int RX_BROADCAST = 3;
    static final int RX_DISCARDS = 4;
    static final int TX_BYTES = 6;
    static final int TX_UNICAST = 7;
    static final int TX_MULTICAST = 8;
    static final int TX_BROADCAST = 9;
    static final int TX_DISCARDS = 10;
    static final int TX_ERRORS = 11;

    /** Counters of {@code struct eth_stats}; the driver gets these. */
    static final int ETH_STATS = 12;

    /** Queues and admin queues that were stopped because of what the driver put into them. */
    static final int FAULTS = 12;

    static final int COUNT = 13;

    private final AtomicLongArray values = new AtomicLongArray(COUNT);

    long get(int counter) {
        return values.getOpaque(counter);
    }

    void set(int counter, long value) {
        values.setOpaque(counter, value);
    }

    void add(int counter, long more) {
        values.setOpaque(counter, values.getPlain(counter) + more);
    }

    void reset() {
        for (int i = 0; i < COUNT; i++) {
            set(i, 0);
        }
    }

    void sent(long destination, int bytes) {
        add(TX_BYTES, bytes);
        add(kind(destination, TX_UNICAST), 1);
    }

    void received(long destination, int bytes) {
        add(RX_BYTES, bytes);
        add(kind(destination, RX_UNICAST), 1);
    }

    private static int kind(long destination, int unicast) {
        if (MacFilters.isBroadcast(destination)) {
            return unicast + RX_BROADCAST - RX_UNICAST;
        }
        return MacFilters.isMulticast(destination) ? unicast + RX_MULTICAST - RX_UNICAST : unicast;
    }
}
