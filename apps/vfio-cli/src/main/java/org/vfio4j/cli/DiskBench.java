package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.ETIMEDOUT;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.virtioblk.Completion;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;

/**
 * Measures random 4 KiB requests on one queue of a disk, polled, with a fixed number in flight. Belongs to one thread; no request
 * allocates.
 */
final class DiskBench implements Completion {

    static final int BYTES = 4096;

    private static final long PATIENCE_NS = 5_000_000_000L;
    private static final int PASSES_PER_LOOK = 1024;

    private final VirtioBlkDriver driver;
    private final VirtioBlkQueue queue;
    private final long blocks;
    private final long buffers;
    private final long[] startedNs;
    private final LatencyHistogram latencies = new LatencyHistogram();

    private long random = 0x9e3779b97f4a7c15L;
    private boolean writing;
    private boolean ending;
    private long nowNs;

    /** @param maxDepth the most requests in flight of any {@link #run} */
    DiskBench(VirtioBlkDriver driver, int maxDepth) {
        this.driver = driver;
        queue = driver.queue(0);
        blocks = driver.capacityBytes() / BYTES;
        buffers = driver.memory().allocate((long) maxDepth * BYTES, BYTES);
        startedNs = new long[maxDepth];
    }

    /** Reads, so that what comes after is measured at full speed. */
    void warmUp(int depth, long ns) {
        writing = false;
        loop(depth, ns / 2);
        loop(1, ns / 2);
    }

    BenchResult run(String name, boolean write, int depth, long warmUpNs, long measureNs) {
        writing = write;
        loop(depth, warmUpNs);
        latencies.clear();
        long elapsed = loop(depth, measureNs);
        return BenchResult.of(name, depth, BYTES, latencies, elapsed);
    }

    /** The time of a completion is when it is seen: once for all that one look finds. */
    @Override
    public void complete(int tag, int result) {
        if (result != 0) {
            throw new ErrnoException(-result, (writing ? "write" : "read") + " of " + BYTES + " bytes");
        }
        latencies.record(nowNs - startedNs[tag]);
        if (!ending) {
            start(tag);
        }
    }

    /** Keeps {@code depth} requests in flight for a while. Returns how long it took. */
    private long loop(int depth, long durationNs) {
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
                lastSeen = nowNs;
                ending = nowNs - begin >= durationNs;
                idlePasses = 0;
                queue.poll(this);
                queue.kick();
            } else {
                Thread.onSpinWait();
                if (++idlePasses % PASSES_PER_LOOK == 0) {
                    checkPatience(lastSeen);
                }
            }
        }
        return nowNs - begin;
    }

    private void checkPatience(long lastSeenNs) {
        if (System.nanoTime() - lastSeenNs > PATIENCE_NS) {
            driver.check();
            throw new ErrnoException(
                    ETIMEDOUT, "the disk has completed nothing for " + PATIENCE_NS / 1_000_000_000 + " s");
        }
    }

    private void start(int tag) {
        startedNs[tag] = nowNs;
        long offset = nextBlock() * BYTES;
        long buffer = buffers + (long) tag * BYTES;
        if (writing) {
            queue.write(offset, buffer, BYTES, tag);
        } else {
            queue.read(offset, buffer, BYTES, tag);
        }
    }

    /** Xorshift; the upper half scaled to the disk, without a division. */
    private long nextBlock() {
        random ^= random << 13;
        random ^= random >>> 7;
        random ^= random << 17;
        return Math.unsignedMultiplyHigh(random, blocks);
    }
}
