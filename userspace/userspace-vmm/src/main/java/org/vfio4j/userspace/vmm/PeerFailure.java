package org.vfio4j.userspace.vmm;

/** The other side says that it does not, or cannot, go on: nothing of the guest runs there. */
public final class PeerFailure extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final int errno;

    PeerFailure(int errno, String message) {
        super(message);
        this.errno = errno;
    }

    /** What it failed with there. */
    public int errno() {
        return errno;
    }
}
