package org.vfio4j.i40evf;

import java.util.Arrays;
import java.util.stream.LongStream;

/**
 * Which frames a function wants, by destination address. Immutable, so that senders on other threads can ask. An address is 6
 * bytes in a long, the first byte on the wire lowest.
 */
final class MacFilters {

    /** As many as hardware gives a function that is not trusted, and some more. */
    static final int MAX = 64;

    static final MacFilters NONE = new MacFilters(new long[0], false, false);

    static final int ADDRESS_BYTES = 6;
    private static final long ADDRESS_MASK = 0xffff_ffff_ffffL;
    private static final long MULTICAST = 1;

    private final long[] addresses;
    private final boolean allUnicast;
    private final boolean allMulticast;

    private MacFilters(long[] addresses, boolean allUnicast, boolean allMulticast) {
        this.addresses = addresses;
        this.allUnicast = allUnicast;
        this.allMulticast = allMulticast;
    }

    /** The address at a place of a message or frame with at least 8 bytes from there. */
    static long address(byte[] bytes, int at) {
        return LittleEndian.i64(bytes, at) & ADDRESS_MASK;
    }

    static boolean isBroadcast(long address) {
        return address == ADDRESS_MASK;
    }

    static boolean isMulticast(long address) {
        return (address & MULTICAST) != 0;
    }

    /** Whether an address can be one station's or one group's: neither nobody's nor everybody's. */
    static boolean isValid(long address) {
        return address != 0 && !isBroadcast(address) && (address & ~ADDRESS_MASK) == 0;
    }

    boolean wants(long destination) {
        if (isBroadcast(destination) || (isMulticast(destination) ? allMulticast : allUnicast)) {
            return true;
        }
        for (long address : addresses) {
            if (address == destination) {
                return true;
            }
        }
        return false;
    }

    int count() {
        return addresses.length;
    }

    long get(int index) {
        return addresses[index];
    }

    boolean allUnicast() {
        return allUnicast;
    }

    boolean allMulticast() {
        return allMulticast;
    }

    MacFilters with(long address) {
        if (LongStream.of(addresses).anyMatch(known -> known == address)) {
            return this;
        }
        long[] more = Arrays.copyOf(addresses, addresses.length + 1);
        more[addresses.length] = address;
        return new MacFilters(more, allUnicast, allMulticast);
    }

    MacFilters without(long address) {
        return new MacFilters(
                LongStream.of(addresses).filter(known -> known != address).toArray(), allUnicast, allMulticast);
    }

    MacFilters promiscuous(boolean unicast, boolean multicast) {
        return new MacFilters(addresses, unicast, multicast);
    }
}
