package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * A guest with a disk that it writes without a pause, each write to a block that no other is under way to, and reads back in the end.
 */
final class Guest implements AutoCloseable {

    private static final int BLOCK = 4096;
    private static final int SLOTS = 16;

    private final DiskDriver disk;
    private final DiskQueue queue;
    private final Random random;
    private final long[] buffer = new long[SLOTS];
    private final int[] block = new int[SLOTS];
    private final int blocks;
    private final long[] expected;
    private final BitSet busySlots = new BitSet();
    private final BitSet busyBlocks = new BitSet();
    private final AtomicLong completed = new AtomicLong();
    private final Thread thread;
    private long submitted;
    private volatile boolean stop;
    private volatile @Nullable Throwable failure;

    Guest(VfioDeviceFile file, long seed) {
        this(DiskKind.VIRTIO_BLK.open(file), seed);
    }

    Guest(DiskDriver disk, long seed) {
        this.disk = disk;
        queue = disk.queue(0);
        random = new Random(seed);
        blocks = (int) (disk.capacityBytes() / BLOCK);
        expected = new long[blocks];
        for (int i = 0; i < SLOTS; i++) {
            buffer[i] = disk.memory().allocate(BLOCK, BLOCK);
        }
        thread = Thread.ofPlatform().name("guest").start(this::run);
    }

    /** Requests that have completed. */
    long completed() {
        return completed.get();
    }

    /** Waits until so many more have. */
    void awaitMore(long count) {
        long target = completed() + count;
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (completed() < target && failure == null) {
            assertThat(System.nanoTime()).as("requests complete").isLessThan(deadline);
            Thread.yield();
        }
    }

    /** Ends the load, and checks that each request has completed once, and what the disk has. Returns how many there were. */
    long finish() {
        stop = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(failure).isNull();
        assertThat(completed()).isEqualTo(submitted);
        int checked = 0;
        for (int i = 0; i < blocks; i++) {
            if (expected[i] != 0) {
                MemorySegment data = disk.memory().segment(buffer[0], BLOCK);
                data.fill((byte) 0);
                assertThat(queue.read((long) i * BLOCK, buffer[0], BLOCK, 0)).isTrue();
                queue.kick();
                awaitOne();
                assertThat(data.get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).isEqualTo(expected[i]);
                assertThat(data.get(ValueLayout.JAVA_LONG_UNALIGNED, BLOCK - 8)).isEqualTo(expected[i]);
                checked++;
            }
        }
        assertThat(checked).isPositive();
        return submitted;
    }

    @Override
    public void close() {
        stop = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        disk.close();
    }

    private void awaitOne() {
        long deadline = System.nanoTime() + 10_000_000_000L;
        int[] result = {1};
        while (queue.poll((tag, outcome) -> result[0] = outcome) == 0) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            Thread.yield();
        }
        assertThat(result[0]).isZero();
    }

    private void run() {
        try {
            long lastNs = System.nanoTime();
            while (!stop || !busySlots.isEmpty()) {
                int done = queue.poll(this::complete);
                int slot = busySlots.nextClearBit(0);
                boolean submits = !stop && slot < SLOTS && submit(slot);
                if (submits) {
                    queue.kick();
                } else {
                    Thread.yield();
                }
                if (done > 0) {
                    lastNs = System.nanoTime();
                } else if (System.nanoTime() - lastNs > 20_000_000_000L) {
                    throw new AssertionError("nothing completes: " + busySlots.cardinality() + " are under way");
                }
            }
        } catch (RuntimeException | Error e) {
            failure = e;
        }
    }

    private boolean submit(int slot) {
        int to;
        do {
            to = random.nextInt(blocks);
        } while (busyBlocks.get(to));
        long number = submitted + 1;
        MemorySegment data = disk.memory().segment(buffer[slot], BLOCK);
        for (int i = 0; i < BLOCK; i += Long.BYTES) {
            data.set(ValueLayout.JAVA_LONG_UNALIGNED, i, number);
        }
        if (!queue.write((long) to * BLOCK, buffer[slot], BLOCK, slot)) {
            return false;
        }
        block[slot] = to;
        busySlots.set(slot);
        busyBlocks.set(to);
        expected[to] = number;
        submitted = number;
        return true;
    }

    private void complete(int slot, int result) {
        if (result != 0 || !busySlots.get(slot)) {
            throw new AssertionError("slot " + slot + " completes with " + result + ", under way: " + busySlots);
        }
        busySlots.clear(slot);
        busyBlocks.clear(block[slot]);
        completed.incrementAndGet();
    }
}
