package org.vfio4j.cli.bench;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.load.LatencyHistogram;

/**
 * One measurement of {@code vfio bench}, as it is printed.
 *
 * @param name what was measured
 * @param queueDepth requests in flight at a time, on each queue
 * @param bytes bytes moved by each
 * @param operations how many there were
 * @param perSecond how many in a second
 * @param megabytesPerSecond millions of bytes in a second
 * @param p50Us median latency in microseconds
 * @param p99Us latency that 1 % exceed
 * @param p999Us latency that 0.1 % exceed
 * @param maxUs the longest latency
 * @param workload the word for {@code --workload}, {@code region} for register reads
 * @param queues queues, each with a thread of its own
 * @param device what the disk says it is and how it is driven; empty for register reads
 * @param clientCpuUs processor time of this process for each operation; null when it is unknown
 * @param serverCpuUs the same of the server's process
 */
record BenchResult(
        String name,
        int queueDepth,
        int bytes,
        long operations,
        double perSecond,
        double megabytesPerSecond,
        double p50Us,
        double p99Us,
        double p999Us,
        double maxUs,
        String workload,
        int queues,
        String device,
        @Nullable Double clientCpuUs,
        @Nullable Double serverCpuUs) {

    static final String REGION = "region";

    static BenchResult of(String name, int queueDepth, int bytes, LatencyHistogram latencies, long elapsedNs) {
        double perSecond = latencies.count() * 1e9 / elapsedNs;
        return new BenchResult(
                name,
                queueDepth,
                bytes,
                latencies.count(),
                round(perSecond, 1),
                round(perSecond * bytes / 1e6, 10),
                round(latencies.percentile(50) / 1e3, 100),
                round(latencies.percentile(99) / 1e3, 100),
                round(latencies.percentile(99.9) / 1e3, 100),
                round(latencies.max() / 1e3, 100),
                REGION,
                1,
                "",
                null,
                null);
    }

    /** The same, of a workload on so many queues of a disk. */
    BenchResult with(String word, int queueCount, String disk, CpuTime.Sample used) {
        return new BenchResult(
                name,
                queueDepth,
                bytes,
                operations,
                perSecond,
                megabytesPerSecond,
                p50Us,
                p99Us,
                p999Us,
                maxUs,
                word,
                queueCount,
                disk,
                each(used.clientNs()),
                each(used.serverNs()));
    }

    private @Nullable Double each(Optional<Long> ns) {
        return operations == 0 || ns.isEmpty() ? null : round(ns.get() / 1e3 / operations, 100);
    }

    private static double round(double value, double parts) {
        return Math.round(value * parts) / parts;
    }
}
