package org.vfio4j.block;

/** Whether the host's page cache stands between a disk and its file. */
public enum FileCaching {
    /** As files are usually read and written: the host keeps what it has seen, in memory that is nobody's. */
    PAGE_CACHE,
    /**
     * O_DIRECT: what the guest caches is not cached once more, and a write that completed has reached the device (its cache may
     * still hold it until a flush). Requests whose place or whose memory is not aligned as the file demands go through the page
     * cache all the same.
     */
    DIRECT
}
