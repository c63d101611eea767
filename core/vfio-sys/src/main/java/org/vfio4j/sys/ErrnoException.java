package org.vfio4j.sys;

import java.io.IOException;

/** A failure in the kernel's terms: what was tried, and the error number. */
public final class ErrnoException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final int errno;

    /**
     * @param errno the error number, positive
     * @param what what failed, with the values and limits that explain it
     */
    public ErrnoException(int errno, String what) {
        super(what + ": " + Errno.describe(errno));
        this.errno = errno;
    }

    /** What the JDK's file calls failed with, in the kernel's terms: {@link Errno#of}. */
    public static ErrnoException of(IOException cause, String what) {
        return new ErrnoException(Errno.of(cause), what);
    }

    /** The error number, positive. */
    public int errno() {
        return errno;
    }

    /** Throws when {@code result} is a negative error number, else returns it. */
    public static long check(long result, String what) {
        if (result < 0) {
            throw new ErrnoException((int) -result, what);
        }
        return result;
    }
}
