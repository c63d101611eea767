package org.vfio4j.mlx5;

import java.time.Duration;

/** Hears of the functions that a DPU emulates behind a physical function. Called by the thread that makes or ends one. */
public interface SnapListener {

    /** It is there, plugged in. */
    void added(SnapFunction function);

    /**
     * It is about to be unplugged.
     *
     * @param limit how long to wait for its user
     * @throws RuntimeException an {@code org.vfio4j.sys.ErrnoException}, EBUSY when the user has not let go by then: it stays
     */
    void removing(SnapFunction function, Duration limit);
}
