package org.vfio4j.i40evfiopci;

import java.util.OptionalLong;
import org.vfio4j.bus.PciFunction;

/**
 * What the function may write for its admin queues: both rings, and the buffers that the guest has posted for events (Intel X710
 * datasheet, 7.10). They are few and seldom used, so they count as written in every report. Belongs to the user's thread.
 */
final class AdminRings {

    private static final int BAR = 0;
    private static final int VF_ARQBAH = 0x6000;
    private static final int VF_ATQLEN = 0x6800;
    private static final int VF_ARQBAL = 0x6c00;
    private static final int VF_ATQBAH = 0x7800;
    private static final int VF_ATQBAL = 0x7c00;
    private static final int VF_ARQLEN = 0x8000;

    private static final int LENGTH = 0x3ff;
    private static final int ENABLE = 1 << 31;
    private static final int DESCRIPTOR_BYTES = 32;
    private static final int BUFFER_ADDRESS = 24;
    private static final int BUFFER_BYTES = 4096;

    private final PciFunction function;
    private final GuestRings memory;
    private final PageSet dirty;
    private boolean blind;

    AdminRings(PciFunction function, GuestRings memory, PageSet dirty) {
        this.function = function;
        this.memory = memory;
        this.dirty = dirty;
    }

    /** Whether the last {@link #collect} could not read what the guest has posted, so that any page may be a buffer. */
    boolean isBlind() {
        return blind;
    }

    void collect() {
        blind = false;
        addRing(VF_ATQBAL, VF_ATQBAH, VF_ATQLEN);
        int events = addRing(VF_ARQBAL, VF_ARQBAH, VF_ARQLEN);
        long base = base(VF_ARQBAL, VF_ARQBAH);
        for (int i = 0; i < events; i++) {
            OptionalLong address = memory.read(base + (long) i * DESCRIPTOR_BYTES + BUFFER_ADDRESS);
            blind |= address.isEmpty();
            // High half first.
            address.ifPresent(halves -> dirty.add(Long.rotateLeft(halves, Integer.SIZE), BUFFER_BYTES));
        }
    }

    private int addRing(int low, int high, int length) {
        int value = register(length);
        int descriptors = (value & ENABLE) != 0 ? value & LENGTH : 0;
        dirty.add(base(low, high), (long) descriptors * DESCRIPTOR_BYTES);
        return descriptors;
    }

    private long base(int low, int high) {
        return Integer.toUnsignedLong(register(low)) | (long) register(high) << Integer.SIZE;
    }

    private int register(int offset) {
        return (int) function.barRead(BAR, offset, Integer.BYTES);
    }
}
