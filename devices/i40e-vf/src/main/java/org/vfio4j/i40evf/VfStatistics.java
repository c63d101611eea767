package org.vfio4j.i40evf;

/**
 * What a function has counted; bytes are those of frames without their checksums.
 *
 * @param rxPackets frames that the driver got
 * @param rxBytes their bytes
 * @param rxDiscards frames for which the driver had no buffers
 * @param txPackets packets that the driver has sent, each once, whether they became one frame or many
 * @param txBytes their bytes
 * @param txDiscards packets that a receiver did not get because it took none for long
 * @param txErrors packets that could not be sent as the driver wanted them
 * @param faults queues and admin queues that were stopped because of what the driver put into them
 * @param interrupts messages sent
 */
public record VfStatistics(
        long rxPackets,
        long rxBytes,
        long rxDiscards,
        long txPackets,
        long txBytes,
        long txDiscards,
        long txErrors,
        long faults,
        long interrupts) {

    static VfStatistics of(VfCounters counters, long interrupts) {
        return new VfStatistics(
                sum(counters, VfCounters.RX_UNICAST),
                counters.get(VfCounters.RX_BYTES),
                counters.get(VfCounters.RX_DISCARDS),
                sum(counters, VfCounters.TX_UNICAST),
                counters.get(VfCounters.TX_BYTES),
                counters.get(VfCounters.TX_DISCARDS),
                counters.get(VfCounters.TX_ERRORS),
                counters.get(VfCounters.FAULTS),
                interrupts);
    }

    private static long sum(VfCounters counters, int unicast) {
        return counters.get(unicast) + counters.get(unicast + 1) + counters.get(unicast + 2);
    }
}
