package org.vfio4j.cli.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vfio4j.cli.load.BlockTags;
import org.vfio4j.cli.load.DiskLoad;
import org.vfio4j.cli.load.LatencyHistogram;
import org.vfio4j.cli.load.QueueLoad;
import org.vfio4j.userspace.disk.DiskDriver;

/**
 * Measures a disk: each queue has its own thread and its own part of the disk. Belongs to one thread, which is that of the only queue
 * when there is one.
 */
final class DiskBench {

    private final DiskDriver disk;
    private final String description;
    private final CpuTime cpu;

    /** Where the data of all loads is, one after the other. */
    private final long buffers;

    /** @param bufferBytes the most of any load */
    DiskBench(BenchTarget target, CpuTime cpu, long bufferBytes) {
        disk = target.disk();
        description = target.description();
        this.cpu = cpu;
        buffers = disk.memory().allocate(bufferBytes, 4096);
    }

    BenchResult run(DiskLoad load, long warmUpNs, long measureNs) {
        List<QueueLoad> loads = new ArrayList<>();
        long blocks = blocksOfEach(load);
        for (int i = 0; i < load.queues(); i++) {
            long buffer = buffers + (long) i * load.depth() * load.bytes();
            loads.add(new QueueLoad(disk, i, load, buffer, i * blocks * load.bytes(), blocks));
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(Math.max(load.queues() - 1, 1))) {
            runAll(threads, loads, warmUpNs);
            CpuTime.Sample before = cpu.sample();
            long elapsed = runAll(threads, loads, measureNs);
            CpuTime.Sample used = cpu.sample().since(before);
            LatencyHistogram latencies = new LatencyHistogram();
            loads.forEach(each -> latencies.add(each.latencies()));
            return BenchResult.of(load.name(), load.depth(), load.bytes(), latencies, elapsed)
                    .with(load.workload().word(), load.queues(), description, used);
        }
    }

    /** How many blocks of a load's size each of its queues has for itself. */
    private long blocksOfEach(DiskLoad load) {
        long blocks = disk.capacityBytes() / load.bytes() / load.queues();
        return load.verify() ? Math.min(blocks, BlockTags.MAX_BLOCKS / load.queues()) : blocks;
    }

    /** Returns how long the longest took. */
    private static long runAll(ExecutorService threads, List<QueueLoad> loads, long durationNs) {
        AtomicBoolean stop = new AtomicBoolean();
        List<Future<Long>> others = loads.stream()
                .skip(1)
                .map(load -> threads.submit(() -> stopping(stop, load, durationNs)))
                .toList();
        long longest = 0;
        RuntimeException failure = null;
        try {
            longest = stopping(stop, loads.getFirst(), durationNs);
        } catch (RuntimeException e) {
            failure = e;
        }
        for (Future<Long> other : others) {
            try {
                longest = Math.max(longest, other.get());
            } catch (ExecutionException e) {
                failure = failure == null && e.getCause() instanceof RuntimeException cause ? cause : failure;
            } catch (InterruptedException e) {
                stop.set(true);
                Thread.currentThread().interrupt();
            }
        }
        if (failure != null) {
            throw failure;
        }
        return longest;
    }

    /** One that fails ends the others. */
    private static long stopping(AtomicBoolean stop, QueueLoad load, long durationNs) {
        try {
            return load.run(durationNs, stop);
        } catch (RuntimeException e) {
            stop.set(true);
            throw e;
        }
    }
}
