package org.vfio4j.nvme;

import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;

/** What a queue thread does for another at its next look, whatever its storage has in flight: {@link Lane#ask}. */
@FunctionalInterface
interface Errand {

    /** @param window the thread's own; null while all threads are quiesced */
    void carryOut(@Nullable DmaWindow window);
}
