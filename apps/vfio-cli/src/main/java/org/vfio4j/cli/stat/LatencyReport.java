package org.vfio4j.cli.stat;

import org.vfio4j.devicemodel.LatencySnapshot;

/** How long commands took, as JSON tells it: in microseconds, percentiles within 1 %. */
record LatencyReport(long count, double meanUs, double p50Us, double p90Us, double p99Us, double p999Us, double maxUs) {

    private static final double PARTS = 100;
    private static final double NS_PER_US = 1000;

    static LatencyReport of(LatencySnapshot latency) {
        return new LatencyReport(
                latency.count(),
                latency.count() == 0 ? 0 : us((double) latency.totalNs() / latency.count()),
                us(latency.percentileNs(50)),
                us(latency.percentileNs(90)),
                us(latency.percentileNs(99)),
                us(latency.percentileNs(99.9)),
                us(latency.maxNs()));
    }

    private static double us(double ns) {
        return Math.round(ns / NS_PER_US * PARTS) / PARTS;
    }
}
