package org.vfio4j.nvme;

/** What a controller can do at most: the registers and the I/O path hold it, Identify and the features say it. */
final class NvmeLimits {

    /** I/O queue pairs, beside the admin queues. */
    static final int MAX_QUEUE_PAIRS = 64;

    /** Entries of a queue, which CAP.MQES says less one. */
    static final int MAX_QUEUE_ENTRIES = 4096;

    /** MDTS, in units of the least memory page, 4 KiB: the most bytes that a command moves. */
    static final int MDTS = 7;

    static final int MAX_TRANSFER_BYTES = 4096 << MDTS;

    /** DMRL: ranges of a Dataset Management command. */
    static final int MAX_DSM_RANGES = 256;

    /** MSSRL, MCL and MSRC of a Copy command: blocks of one range, of all, and ranges. */
    static final int MAX_COPY_RANGE_BLOCKS = 1024;

    static final int MAX_COPY_BLOCKS = 8192;
    static final int MAX_COPY_RANGES = 128;

    /** ACL: Abort commands under way at a time. */
    static final int MAX_ABORTS = 4;

    /** AERL: Asynchronous Event Requests at a time. */
    static final int MAX_ASYNC_EVENT_REQUESTS = 16;

    /** The most namespaces, attached or not: NSIDs are 1 to this. */
    static final int MAX_NAMESPACES = 256;

    private NvmeLimits() {}
}
