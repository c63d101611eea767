package org.vfio4j.devicemodel;

import java.util.List;

/**
 * What one queue of a device has done since the device was made. Each number was right at some moment while the snapshot was taken;
 * that they belong to the same moment is not promised.
 *
 * @param queue its number in the device
 * @param reads commands that worked
 * @param writes commands that worked
 * @param flushes commands that worked
 * @param discards commands that worked
 * @param others commands that worked
 * @param readBytes given to the driver
 * @param writtenBytes taken from the driver
 * @param errors commands that were answered with an error
 * @param slow commands that took longer than the device's threshold
 * @param inFlight commands taken and not answered
 * @param notifications how often the driver has rung
 * @param interrupts how often the queue has interrupted
 * @param readLatency of all reads, failed ones included: from the last moment at which the device knew that a command was not taken yet,
 *     of those at which it asks for the time, until the commands that completed together had their answers. It is longer than the time
 *     that the command took by what the device did for others meanwhile, and by less than one look at its queues
 * @param writeLatency the same of writes
 * @param otherLatency the same of all other commands
 */
public record QueueSnapshot(
        int queue,
        long reads,
        long writes,
        long flushes,
        long discards,
        long others,
        long readBytes,
        long writtenBytes,
        long errors,
        long slow,
        long inFlight,
        long notifications,
        long interrupts,
        LatencySnapshot readLatency,
        LatencySnapshot writeLatency,
        LatencySnapshot otherLatency) {

    /** {@link #queue} of several queues together. */
    public static final int ALL = -1;

    private static final QueueSnapshot NOTHING = new QueueSnapshot(
            ALL,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            LatencySnapshot.EMPTY,
            LatencySnapshot.EMPTY,
            LatencySnapshot.EMPTY);

    /** All together. */
    public static QueueSnapshot sum(List<QueueSnapshot> queues) {
        return queues.stream().reduce(NOTHING, QueueSnapshot::plus);
    }

    /** Commands that were answered, also with an error. */
    public long commands() {
        return reads + writes + flushes + discards + others + errors;
    }

    /** How long all commands took. */
    public LatencySnapshot latency() {
        return readLatency.plus(writeLatency).plus(otherLatency);
    }

    private QueueSnapshot plus(QueueSnapshot other) {
        return new QueueSnapshot(
                ALL,
                reads + other.reads,
                writes + other.writes,
                flushes + other.flushes,
                discards + other.discards,
                others + other.others,
                readBytes + other.readBytes,
                writtenBytes + other.writtenBytes,
                errors + other.errors,
                slow + other.slow,
                inFlight + other.inFlight,
                notifications + other.notifications,
                interrupts + other.interrupts,
                readLatency.plus(other.readLatency),
                writeLatency.plus(other.writeLatency),
                otherLatency.plus(other.otherLatency));
    }
}
