package org.vfio4j.block;

/** How a file's requests reach the kernel. */
public enum FileIoMode {
    /** io_uring where the kernel offers it, else {@link #SYNC}. */
    AUTO,
    /** io_uring: many requests in flight, one system call for a batch. */
    URING,
    /**
     * As {@link #URING}, and completions of direct reads and writes are found by polling the device: a processor is busy for as long as
     * some are in flight. Never chosen by {@link #AUTO}.
     */
    IOPOLL,
    /** preadv and pwritev: one request after the other. */
    SYNC
}
