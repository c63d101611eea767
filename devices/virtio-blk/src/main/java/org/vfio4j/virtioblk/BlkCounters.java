package org.vfio4j.virtioblk;

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

    static BlkCounters of(QueueSnapshot all, long slow, long faults) {
        return new BlkCounters(
                all.reads(),
                all.writes(),
                all.flushes(),
                all.discards(),
                all.readBytes(),
                all.writtenBytes(),
                all.errors(),
                slow,
                all.notifications(),
                all.interrupts(),
                faults);
    }
}
