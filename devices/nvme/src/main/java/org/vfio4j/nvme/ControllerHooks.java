package org.vfio4j.nvme;

import org.vfio4j.block.BlockBackend;

/** What the controller does for an {@link AdminHandler}. Belongs to the queue thread, but for {@link #run}. */
interface ControllerHooks {

    /**
     * Has {@code task} run on the queue thread, or here when there is none, with nothing in flight, and does not wait for it. From any
     * thread.
     */
    void run(Runnable task);

    /** Completes a held admin command. */
    void complete(int cid, int dw0, int status);

    /** How many I/O queue pairs a driver can have. */
    int queuePairs();

    /** Whether some I/O queue exists: Number of Queues cannot be set any more. */
    boolean hasIoQueues();

    /** Number of Queues (Base 5.27.1.5): queues of a higher number cannot be created. */
    void setNumberOfQueues(int submissions, int completions);

    /** Interrupt vectors, that of the admin queue included. */
    int vectors();

    /** Waits until no I/O command is in flight; none begins before the handler returns. */
    void drain();

    /**
     * Lets go of storage: nothing of the controller's uses it afterwards, and each queue thread closes what it has of it at its next look.
     * For a namespace whose storage is to be replaced, after {@link #drain}.
     */
    void release(BlockBackend backend);

    /**
     * Has bytes of storage zeroed, or given back where it can do that, and waits for it. For Format NVM and deleted namespaces.
     *
     * @return 0 or a negative errno
     */
    int clear(BlockBackend backend, long offset, long length);

    /** Writes of the storage are stable when they are complete, since the driver has turned the volatile write cache off. */
    void setWriteCache(boolean enabled);

    /** Interrupt Coalescing (Base 5.27.1.6): {@code threshold} is 0's based entries, {@code time} is in units of 100 us. */
    void setCoalescing(int threshold, int time);

    /** Interrupt Vector Configuration (Base 5.27.1.7). */
    void setCoalescingDisabled(int vector, boolean disabled);

    /** What has been read and written so far, of all queues. */
    IoTally tally();
}
