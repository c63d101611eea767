package org.vfio4j.bluefield;

/** What a function stands on that a DPU emulates, for the DPU to change and to end. */
public interface SnapBackend {

    /**
     * Makes its disk larger while it is used, and tells the function's driver.
     *
     * @param sizeBytes a multiple of 512, no less than now
     * @throws org.vfio4j.sys.ErrnoException EINVAL for another size, EOPNOTSUPP when it cannot grow, or why it did not
     */
    void resize(long sizeBytes);

    /** Ends it, once the function is unplugged or cannot be plugged in. */
    void close();
}
