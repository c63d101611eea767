package org.vfio4j.cli.bench;

import org.vfio4j.cli.load.DiskLoad;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.userspace.disk.DiskDriver;

/** Whether a disk can be measured with a load. Stateless. */
final class BenchFit {

    private BenchFit() {}

    /**
     * Checks it.
     *
     * @param example a server that could
     * @throws CliException with what is missing
     */
    static void check(DiskLoad load, DiskDriver disk, String example) {
        if (load.workload().writes() && disk.readOnly()) {
            throw new CliException(
                    ExitCode.PERMISSION, "the disk is read-only", "--workload randread, without --write");
        }
        if (load.bytes() % disk.sectorBytes() != 0 || load.bytes() > disk.maxTransferBytes()) {
            throw CliException.usage(
                    "--block-size " + load.bytes() + ": the disk takes multiples of " + disk.sectorBytes() + " up to "
                            + disk.maxTransferBytes(),
                    "--block-size " + Math.min(Math.max(disk.sectorBytes(), 4096), disk.maxTransferBytes()));
        }
        if (load.queues() > disk.queueCount()) {
            throw CliException.usage(
                    "--queues " + load.queues() + ": the disk has " + disk.queueCount(),
                    "--queues " + disk.queueCount());
        }
        if (load.depth() > disk.queue(0).depth()) {
            throw CliException.usage(
                    "--queue-depth " + load.depth() + ": the disk's queue has room for "
                            + disk.queue(0).depth(),
                    "--queue-depth " + disk.queue(0).depth());
        }
        // To choose a block that is in no other request there must be some.
        long needed = load.verify() ? 4L * load.bufferBytes() : (long) load.queues() * load.bytes();
        if (disk.capacityBytes() < needed) {
            throw new CliException(
                    ExitCode.UNSUPPORTED,
                    "a disk of " + disk.capacityBytes() + " bytes: " + needed + " are needed",
                    example);
        }
    }
}
