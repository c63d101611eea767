package org.vfio4j.i40evfiopci;

import java.util.OptionalLong;
import org.vfio4j.i40e.I40eRing;

/**
 * A transmit queue. Of memory the function writes its descriptors only: that it is done, where the guest wants to know (Intel X710
 * datasheet, 8.4.2.1.1). So the ring is dirty from a write of its tail until the report that finds nothing left to be written.
 * Belongs to the user's thread.
 */
final class TransmitRing {

    private static final int QWORD1 = 8;
    private static final long DTYPE = 0xf;
    private static final long DTYPE_DONE = 0xf;
    private static final long REPORT_STATUS = 2 << 4;

    private final GuestRings memory;
    private final PageSet dirty;
    private final I40eRing ring;
    private boolean clean;

    TransmitRing(GuestRings memory, PageSet dirty, I40eRing ring) {
        this.memory = memory;
        this.dirty = dirty;
        this.ring = ring;
    }

    I40eRing ring() {
        return ring;
    }

    void posted() {
        clean = false;
    }

    void collect() {
        if (!clean) {
            // Looked at first: what is done by now was written before.
            clean = isIdle();
            dirty.add(ring.iova(), ring.sizeBytes());
        }
    }

    private boolean isIdle() {
        for (int i = 0; i < ring.descriptors(); i++) {
            OptionalLong read = memory.read(ring.descriptor(i) + QWORD1);
            if (read.isEmpty()) {
                return false;
            }
            long descriptor = read.getAsLong();
            if ((descriptor & REPORT_STATUS) != 0 && (descriptor & DTYPE) != DTYPE_DONE) {
                return false;
            }
        }
        return true;
    }
}
