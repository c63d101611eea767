package org.vfio4j.virtioblk;

import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Mapping;
import org.vfio4j.virtio.SplitQueue;
import org.vfio4j.virtio.VirtioRing;

/**
 * The requests that can be in flight at once, in arrays: what is needed to answer each of them. A slot's number is its tag at
 * the storage. Each has room in native memory for one iovec per descriptor, which a request for ranges fills with its ranges
 * instead, and behind them for the IOVA of each. Belongs to the queue thread.
 */
final class RequestSlots implements AutoCloseable {

    /** Bytes of struct iovec: address and length. */
    static final int IOVEC_SIZE = 16;

    // Public to the package and unguarded, because every request touches all of them.
    final @Nullable SplitQueue[] queue;
    final int[] head;
    final int[] type;
    final long[] sector;
    final long[] startNs;
    final long[] statusAddress;
    final long[] statusIova;
    final int[] writtenPieces;
    final long[] bytes;
    final int[] expected;
    final boolean[] flushing;
    final int[] writtenWhenDone;
    final int[] writtenWhenFailed;
    final int[] rangesLeft;
    final int[] rangesDone;

    private final int iovecBytes;
    private final int slotBytes;
    private final int[] free;
    private final Mapping memory;
    private int freeCount;

    /** @param maxChain the most descriptors of a request */
    RequestSlots(int count, int maxChain) {
        queue = new @Nullable SplitQueue[count];
        head = new int[count];
        type = new int[count];
        sector = new long[count];
        startNs = new long[count];
        statusAddress = new long[count];
        statusIova = new long[count];
        writtenPieces = new int[count];
        bytes = new long[count];
        expected = new int[count];
        flushing = new boolean[count];
        writtenWhenDone = new int[count];
        writtenWhenFailed = new int[count];
        rangesLeft = new int[count];
        rangesDone = new int[count];
        iovecBytes = VirtioRing.VRING_DESC_SIZE * maxChain;
        slotBytes = iovecBytes + Long.BYTES * maxChain;
        memory = Mapping.anonymous((long) slotBytes * count);
        free = new int[count];
        for (int i = 0; i < count; i++) {
            free[i] = count - 1 - i;
        }
        freeCount = count;
    }

    int freeCount() {
        return freeCount;
    }

    /** Only when {@link #freeCount} is not 0. The slot given back last comes first: its memory is warm. */
    int take() {
        return free[--freeCount];
    }

    void give(int slot) {
        free[freeCount++] = slot;
    }

    /** Where the slot's native memory begins. */
    long memory(int slot) {
        return memory.address() + (long) slotBytes * slot;
    }

    /** Where the IOVAs of the slot's iovecs begin. */
    long iovas(int slot) {
        return memory(slot) + iovecBytes;
    }

    @Override
    public void close() {
        memory.close();
    }
}
