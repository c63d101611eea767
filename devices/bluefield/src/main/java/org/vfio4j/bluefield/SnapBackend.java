package org.vfio4j.bluefield;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import org.vfio4j.sys.ErrnoException;

/** What a function stands on that a DPU emulates, for the DPU to change and to end. */
public interface SnapBackend {

    /**
     * Makes its disk larger while it is used, and tells the function's driver.
     *
     * @param sizeBytes a multiple of 512, no less than now
     * @throws ErrnoException EINVAL for another size, EOPNOTSUPP when it cannot grow or has several, or why it did not
     */
    void resize(long sizeBytes);

    /**
     * The same for one namespace of an NVMe controller.
     *
     * @param nsid from 1
     * @throws ErrnoException also ENODEV when there is no such namespace, EOPNOTSUPP when there are none
     */
    default void resizeNamespace(int nsid, long sizeBytes) {
        throw new ErrnoException(EOPNOTSUPP, "resize of namespace " + nsid + " of what is no NVMe controller");
    }

    /** Ends it, once the function is unplugged or cannot be plugged in. */
    void close();
}
