package org.vfio4j.cli.load;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.disk.DiskQueue;

/**
 * Writes and reads at random, many at a time, each to a block of its own: each request must complete once, and a block must hold what the
 * last write that completed has put there.
 */
public final class VerifiedLoad implements Runnable {

    static final int BLOCK_BYTES = 4096;

    private static final int DEPTH = 32;
    private static final long WAIT_NS = 100_000_000;

    /** How often a wait may end without news: long enough for a server to start on a machine that has other things to do. */
    private static final int PATIENCE = 300;

    private final DiskDriver disk;
    private final DiskQueue queue;
    private final Random random;
    private final long[] buffers;
    private final MemorySegment[] memory;
    private final int[] block;
    private final boolean[] writes;
    private final BitSet busyTags = new BitSet();
    private final BitSet busyBlocks = new BitSet();
    private final long[] expected;
    private final int depth;
    private long number;

    public final AtomicLong completed = new AtomicLong();
    public volatile boolean stop;

    public VerifiedLoad(DiskDriver disk, long seed) {
        this.disk = disk;
        queue = disk.queue(0);
        random = new Random(seed);
        depth = Math.min(DEPTH, queue.depth());
        buffers = new long[depth];
        memory = new MemorySegment[depth];
        block = new int[depth];
        writes = new boolean[depth];
        expected = new long[(int) (disk.capacityBytes() / BLOCK_BYTES)];
        for (int i = 0; i < depth; i++) {
            buffers[i] = disk.memory().allocate(BLOCK_BYTES, BLOCK_BYTES);
            memory[i] = disk.memory().segment(buffers[i], BLOCK_BYTES);
        }
    }

    /** The disk has what another load has written, which is done. */
    public void goOnFrom(VerifiedLoad other) {
        System.arraycopy(other.expected, 0, expected, 0, expected.length);
        number = other.number;
    }

    public static long bufferBytes() {
        return (DEPTH + 1L) * BLOCK_BYTES;
    }

    @Override
    public void run() {
        while (!stop) {
            submit(random.nextInt(expected.length), random.nextInt(3) > 0);
        }
        drain();
        // All of it once more, from the first block to the last.
        for (int i = 0; i < expected.length; i++) {
            submit(i, false);
        }
        drain();
    }

    private void submit(int to, boolean write) {
        while (busyTags.cardinality() == depth || busyBlocks.get(to)) {
            collect();
        }
        int tag = busyTags.nextClearBit(0);
        busyTags.set(tag);
        busyBlocks.set(to);
        block[tag] = to;
        writes[tag] = write;
        long offset = (long) to * BLOCK_BYTES;
        if (write) {
            expected[to] = ++number;
            fill(memory[tag], number);
            queue.write(offset, buffers[tag], BLOCK_BYTES, tag);
        } else {
            fill(memory[tag], -1);
            queue.read(offset, buffers[tag], BLOCK_BYTES, tag);
        }
    }

    private void drain() {
        while (!busyTags.isEmpty()) {
            collect();
        }
    }

    private void collect() {
        queue.kick();
        int waits = 0;
        while (queue.poll(this::complete) == 0) {
            if (!queue.await(WAIT_NS)) {
                disk.check();
                if (++waits == PATIENCE) {
                    throw new AssertionError("nothing completes; " + busyTags.cardinality() + " are under way");
                }
            }
        }
    }

    private void complete(int tag, int status) {
        if (!busyTags.get(tag)) {
            throw new AssertionError("request " + tag + " completes a second time");
        }
        if (status != 0) {
            throw new AssertionError("request " + tag + " fails with " + status);
        }
        if (!writes[tag]) {
            check(tag);
        }
        busyTags.clear(tag);
        busyBlocks.clear(block[tag]);
        completed.incrementAndGet();
    }

    private void check(int tag) {
        for (int i = 0; i < BLOCK_BYTES; i += Long.BYTES) {
            long found = memory[tag].get(ValueLayout.JAVA_LONG, i);
            if (found != expected[block[tag]]) {
                throw new AssertionError(
                        "block " + block[tag] + " has " + found + " at " + i + ", not " + expected[block[tag]]);
            }
        }
    }

    private static void fill(MemorySegment memory, long value) {
        for (int i = 0; i < BLOCK_BYTES; i += Long.BYTES) {
            memory.set(ValueLayout.JAVA_LONG, i, value);
        }
    }
}
