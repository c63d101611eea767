package org.vfio4j.i40evfiopci;

import java.util.OptionalLong;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.RawMemory;

/**
 * Descriptors of a guest's rings, read as the function reads them. Not by messages: the guest's monitor waits for the register
 * access in which they are read. Belongs to the user's thread.
 */
final class GuestRings implements AutoCloseable {

    private final DmaWindow window;

    GuestRings(DmaSpace space) {
        window = space.openWindow();
    }

    /** The 8 bytes at an address; empty where no mapped memory is. */
    OptionalLong read(long iova) {
        window.enter();
        try {
            long host = window.translate(iova, Long.BYTES, DmaSpace.READ);
            // SAFETY: the window is online, so what it has translated stays mapped.
            return host > 0 ? OptionalLong.of(RawMemory.getLong(host)) : OptionalLong.empty();
        } finally {
            window.leave();
        }
    }

    @Override
    public void close() {
        window.close();
    }
}
