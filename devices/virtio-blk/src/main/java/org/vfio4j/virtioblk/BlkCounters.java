package org.vfio4j.virtioblk;

import java.util.List;
import java.util.function.ToLongFunction;
import org.vfio4j.devicemodel.QueueSnapshot;

/**
 * What a disk has done since it was made. Counted by its queue thread and read by others, to whom the numbers may be a little
 * old.
 *
 * @param reads requests completed
 * @param writes requests completed
 * @param flushes requests completed
 * @param discards requests for discards and zeroes completed
 * @param readBytes bytes given to the driver
 * @param writtenBytes bytes taken from the driver
 * @param errors requests answered with anything but {@code VIRTIO_BLK_S_OK}
 * @param slow requests served one by one, because of memory that is not mapped or an unusual layout
 * @param notifications how often the driver has notified
 * @param interrupts how often a queue has interrupted
 * @param faults how often the driver made the device ask for a reset
 */
public record BlkCounters(
        long reads,
        long writes,
        long flushes,
        long discards,
        long readBytes,
        long writtenBytes,
        long errors,
        long slow,
        long notifications,
        long interrupts,
        long faults) {

    static BlkCounters of(List<QueueSnapshot> queues, long slow, long faults) {
        return new BlkCounters(
                sum(queues, QueueSnapshot::reads),
                sum(queues, QueueSnapshot::writes),
                sum(queues, QueueSnapshot::flushes),
                sum(queues, QueueSnapshot::discards),
                sum(queues, QueueSnapshot::readBytes),
                sum(queues, QueueSnapshot::writtenBytes),
                sum(queues, QueueSnapshot::errors),
                slow,
                sum(queues, QueueSnapshot::notifications),
                sum(queues, QueueSnapshot::interrupts),
                faults);
    }

    private static long sum(List<QueueSnapshot> queues, ToLongFunction<QueueSnapshot> counter) {
        return queues.stream().mapToLong(counter).sum();
    }
}
