package org.vfio4j.block;

/** How a file's requests reach the kernel. */
public enum FileIoMode {
    /** io_uring where the kernel offers it, else {@link #SYNC}. */
    AUTO,
    /** io_uring: many requests in flight, one system call for a batch. */
    URING,
    /** preadv and pwritev: one request after the other. */
    SYNC
}
