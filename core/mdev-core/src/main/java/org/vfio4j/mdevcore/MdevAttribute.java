package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.EACCES;

import org.vfio4j.sys.ErrnoException;

/** What can be read of an mdev, and may be set: a file that the kernel would show in the device's directory. */
public interface MdevAttribute {

    /** What it is now: one line, without its end. */
    String show();

    /**
     * Sets it.
     *
     * @throws ErrnoException EACCES for one that is only read, which is what this one says; EINVAL for a value that makes no sense;
     *     EBUSY when it cannot be changed now
     */
    default void store(String value) {
        throw new ErrnoException(EACCES, "set an attribute that is only read");
    }
}
