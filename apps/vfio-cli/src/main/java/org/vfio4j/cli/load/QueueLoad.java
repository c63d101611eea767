package org.vfio4j.cli.load;

import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.disk.Completion;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.disk.DiskQueue;

/**
 * Keeps a fixed number of requests in flight on one queue of a disk, in the queue's own part of it. Belongs to one thread; no request
 * allocates.
 */
public final class QueueLoad implements Completion {

    private static final long PATIENCE_NS = 5_000_000_000L;
    private static final int PASSES_PER_LOOK = 1024;

    private final DiskDriver disk;
    private final DiskQueue queue;
    private final DiskLoad load;
    private final long firstOffset;
    private final long blocks;
    private final int depth;
    private final int bytes;
    private final long buffer;
    private final MemorySegment[] buffers;
    private final @Nullable BlockTags tags;
    private final LatencyHistogram latencies = new LatencyHistogram();

    // By request.
    private final long[] startedNs;
    private final long[] blockOf;
    private final boolean[] writing;

    private long random;
    private long nextBlock;
    private boolean ending;
    private long nowNs;
    private long longestGapNs;

    /**
     * @param buffer where in the disk's memory there are {@code load.depth()} blocks for its data
     * @param firstOffset where its part of the disk begins
     * @param blocks how many it has, more than {@code 2 * load.depth()} with {@code load.verify()}
     */
    public QueueLoad(DiskDriver disk, int index, DiskLoad load, long buffer, long firstOffset, long blocks) {
        this.disk = disk;
        this.load = load;
        this.buffer = buffer;
        this.firstOffset = firstOffset;
        this.blocks = blocks;
        queue = disk.queue(index);
        depth = load.depth();
        bytes = load.bytes();
        tags = load.verify() ? new BlockTags(firstOffset, (int) blocks, bytes) : null;
        buffers = new MemorySegment[depth];
        for (int tag = 0; tag < depth; tag++) {
            buffers[tag] = disk.memory().segment(buffer + (long) tag * bytes, bytes);
        }
        startedNs = new long[depth];
        blockOf = new long[depth];
        writing = new boolean[depth];
        random = 0x9e3779b97f4a7c15L * (index + 1);
    }

    public LatencyHistogram latencies() {
        return latencies;
    }

    /** The longest time between two looks that found completions, of the last run. */
    public long longestGapNs() {
        return longestGapNs;
    }

    /**
     * Keeps the requests in flight for a while, and waits for the last ones.
     *
     * @param stop ends it early
     * @return how long it took
     */
    public long run(long durationNs, AtomicBoolean stop) {
        latencies.clear();
        longestGapNs = 0;
        long begin = System.nanoTime();
        long lastSeen = begin;
        ending = false;
        nowNs = begin;
        for (int tag = 0; tag < depth; tag++) {
            start(tag);
        }
        queue.kick();
        int idlePasses = 0;
        while (queue.inFlight() > 0) {
            if (queue.hasCompletions()) {
                nowNs = System.nanoTime();
                longestGapNs = Math.max(longestGapNs, nowNs - lastSeen);
                lastSeen = nowNs;
                ending = nowNs - begin >= durationNs || stop.getPlain();
                idlePasses = 0;
                queue.poll(this);
                queue.kick();
            } else if (load.interrupts()) {
                if (!queue.await(PATIENCE_NS)) {
                    giveUp();
                }
            } else {
                Thread.onSpinWait();
                if (++idlePasses % PASSES_PER_LOOK == 0 && System.nanoTime() - lastSeen > PATIENCE_NS) {
                    giveUp();
                }
            }
        }
        return nowNs - begin;
    }

    /** The time of a completion is when it is seen: once for all that one look finds. */
    @Override
    public void complete(int tag, int result) {
        boolean wrote = writing[tag];
        if (result != 0) {
            throw new ErrnoException(
                    -result,
                    (wrote ? "write" : "read") + " of " + bytes + " bytes at " + (firstOffset + blockOf[tag] * bytes));
        }
        latencies.record(nowNs - startedNs[tag]);
        if (tags != null) {
            if (wrote) {
                tags.written(blockOf[tag]);
            } else {
                tags.read(buffers[tag], blockOf[tag]);
            }
        }
        if (!ending) {
            start(tag);
        }
    }

    private void start(int tag) {
        long block = nextBlock();
        boolean write =
                load.workload().writes() && nextPercent() >= load.workload().readPercent();
        blockOf[tag] = block;
        writing[tag] = write;
        if (write && tags != null) {
            tags.paint(buffers[tag], block);
        }
        startedNs[tag] = nowNs;
        long offset = firstOffset + block * bytes;
        long at = buffer + (long) tag * bytes;
        if (write) {
            queue.write(offset, at, bytes, tag);
        } else {
            queue.read(offset, at, bytes, tag);
        }
    }

    private long nextBlock() {
        long block = chooseBlock();
        while (tags != null && !tags.take(block)) {
            block = chooseBlock();
        }
        return block;
    }

    private long chooseBlock() {
        if (load.workload().sequential()) {
            long block = nextBlock;
            nextBlock = block + 1 == blocks ? 0 : block + 1;
            return block;
        }
        return Math.unsignedMultiplyHigh(nextRandom(), blocks);
    }

    private int nextPercent() {
        return load.workload().readPercent() == 0 ? 100 : (int) Math.unsignedMultiplyHigh(nextRandom(), 100);
    }

    /** Xorshift; scaled by its upper half, without a division. */
    private long nextRandom() {
        random ^= random << 13;
        random ^= random >>> 7;
        random ^= random << 17;
        return random;
    }

    private void giveUp() {
        disk.check();
        throw new ErrnoException(ETIMEDOUT, "the disk has completed nothing for " + PATIENCE_NS / 1_000_000_000 + " s");
    }
}
