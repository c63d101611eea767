package org.vfio4j.nvme;

/**
 * What a controller has done since it was made. Counted by its queue thread and read by others, to whom the numbers may be a little
 * old.
 *
 * @param reads commands completed
 * @param writes commands completed
 * @param flushes commands completed
 * @param others I/O commands completed that are none of these
 * @param readBytes bytes given to the driver
 * @param writtenBytes bytes taken from the driver
 * @param adminCommands commands completed, whatever their status
 * @param errors commands completed with another status than success
 * @param slow I/O commands served one by one, because of memory that is not mapped or because they are rare
 * @param doorbells how often the driver has rung a doorbell that it had not mapped
 * @param interrupts how often a completion queue has interrupted
 * @param faults how often the driver wrote a senseless doorbell or had no memory for its queues
 */
public record NvmeCounters(
        long reads,
        long writes,
        long flushes,
        long others,
        long readBytes,
        long writtenBytes,
        long adminCommands,
        long errors,
        long slow,
        long doorbells,
        long interrupts,
        long faults) {

    static NvmeCounters of(IoTally tally, long doorbells) {
        return new NvmeCounters(
                tally.reads,
                tally.writes,
                tally.flushes,
                tally.compares + tally.others,
                tally.readBytes,
                tally.writtenBytes,
                tally.adminCommands,
                tally.errors,
                tally.slow,
                doorbells,
                tally.interrupts,
                tally.faults);
    }
}
