package org.vfio4j.block.testing;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockQueue;

/**
 * Storage that does what a test tells it, on top of one that works: fails, stalls, runs full, falls short, completes slowly. Faults
 * are told from any thread, while queues are in use.
 */
public final class FaultyBackend implements BlockBackend {

    private final BlockBackend inner;
    private final List<Fault> faults = new CopyOnWriteArrayList<>();
    private final List<FaultyQueue> queues = new CopyOnWriteArrayList<>();
    private final List<Long> seen = new CopyOnWriteArrayList<>();
    private volatile boolean records;
    private volatile int completionsAtATime = Integer.MAX_VALUE;

    /** @param inner closed with this */
    public FaultyBackend(BlockBackend inner) {
        this.inner = inner;
    }

    /** From now on, for requests that come. Of several that a request meets the first counts. */
    public FaultyBackend add(Fault fault) {
        faults.add(fault);
        return this;
    }

    /** No more faults for requests that come; those that stalled stay so. */
    public void clear() {
        faults.clear();
    }

    /** Lets what stalled go on, and stalls nothing any more. */
    @Override
    public void release() {
        faults.removeIf(fault -> fault instanceof Fault.Stalls || fault instanceof Fault.Sticks);
        queues.forEach(FaultyQueue::release);
    }

    /** How many requests are stalled, over all queues. */
    public int stalled() {
        return queues.stream().mapToInt(FaultyQueue::stalled).sum();
    }

    /** How many completions a poll brings at most. */
    public void completeAtATime(int count) {
        completionsAtATime = count;
    }

    /** From now on it remembers where requests begin, in the order in which they came: see {@link #seen}. */
    public void record() {
        seen.clear();
        records = true;
    }

    /** The offsets of the requests since {@link #record}. */
    public List<Long> seen() {
        return List.copyOf(seen);
    }

    @Override
    public long sizeBytes() {
        return inner.sizeBytes();
    }

    @Override
    public int physicalBlockBytes() {
        return inner.physicalBlockBytes();
    }

    @Override
    public boolean readOnly() {
        return inner.readOnly();
    }

    @Override
    public void grow(long sizeBytes) {
        inner.grow(sizeBytes);
    }

    @Override
    public String describe() {
        return "faulty " + inner.describe();
    }

    @Override
    public BlockQueue openQueue(int depth) {
        FaultyQueue queue = new FaultyQueue(this, inner.openQueue(depth));
        queues.add(queue);
        return queue;
    }

    @Override
    public void close() {
        inner.close();
    }

    Optional<Fault> fault(boolean write, long offset, long length) {
        if (records) {
            seen.add(offset);
        }
        for (Fault fault : faults) {
            if (fault.meets(write, offset, length)) {
                return Optional.of(fault);
            }
        }
        return Optional.empty();
    }

    int completionsAtATime() {
        return completionsAtATime;
    }

    void closed(FaultyQueue queue) {
        queues.remove(queue);
    }
}
