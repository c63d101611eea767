package org.vfio4j.cli;

/**
 * One measurement of {@code vfio bench}, as it is printed.
 *
 * @param name what was measured
 * @param queueDepth requests in flight at a time
 * @param bytes bytes moved by each
 * @param operations how many there were
 * @param perSecond how many in a second
 * @param megabytesPerSecond millions of bytes in a second
 * @param p50Us median latency in microseconds
 * @param p99Us latency that 1 % exceed
 * @param p999Us latency that 0.1 % exceed
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
        double p999Us) {

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
                round(latencies.percentile(99.9) / 1e3, 100));
    }

    private static double round(double value, double parts) {
        return Math.round(value * parts) / parts;
    }
}
