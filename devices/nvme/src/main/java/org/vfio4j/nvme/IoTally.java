package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import org.vfio4j.devicemodel.CommandSet;
import org.vfio4j.devicemodel.QueueStatistics;

/** Counts commands and bytes. Written by one queue thread; plain fields, since nothing depends on how fresh a reader sees them. */
final class IoTally {

    /** Type and code. */
    private static final int STATUS_CODE = 0x7ff;

    long reads;
    long writes;
    long flushes;
    long compares;

    /** Dataset Management, Write Zeroes, Verify and Copy. */
    long others;

    long readBytes;
    long writtenBytes;

    /** What Compare and Verify have read of the storage, which the driver was not given. */
    long checkedBytes;

    long adminCommands;

    /** Completions with another status than success. */
    long errors;

    /** Those among them that the storage is to blame for: blocks that differ from what a Compare brings are none. */
    long mediaErrors;

    long slow;
    long interrupts;
    long faults;

    /**
     * An I/O command was answered, with success or without: counts it for its queue, and tells of it when that took long.
     *
     * @param bytes of data that it moved
     * @param latencyNs since it was seen
     */
    static void answered(QueueStatistics queue, int opcode, long slba, int status, long bytes, long latencyNs) {
        CommandSet set = IoCommandSet.NVM;
        if (queue.completed(set.kind(opcode), bytes, latencyNs, set.worked(status))) {
            queue.slow(set.name(opcode), set.isPlaced(opcode) ? slba : -1, bytes, latencyNs, status);
        }
    }

    /** An I/O command succeeded. */
    void done(int opcode, int bytes) {
        switch (opcode) {
            case READ -> {
                reads++;
                readBytes += bytes;
            }
            case WRITE -> {
                writes++;
                writtenBytes += bytes;
            }
            case FLUSH -> flushes++;
            case COMPARE -> compares++;
            default -> others++;
        }
    }

    /** A command of several steps succeeded, in which so many bytes of the storage took part. */
    void doneLong(int opcode, long storageBytes) {
        if (opcode == COMPARE || opcode == VERIFY) {
            checkedBytes += storageBytes;
        }
    }

    /** Adds what another has counted, which may go on counting. */
    void add(IoTally other) {
        reads += other.reads;
        writes += other.writes;
        flushes += other.flushes;
        compares += other.compares;
        others += other.others;
        readBytes += other.readBytes;
        writtenBytes += other.writtenBytes;
        checkedBytes += other.checkedBytes;
        adminCommands += other.adminCommands;
        errors += other.errors;
        mediaErrors += other.mediaErrors;
        slow += other.slow;
        interrupts += other.interrupts;
        faults += other.faults;
    }

    void failed(int status) {
        errors++;
        int code = status & STATUS_CODE;
        if (code == NvmeStatus.WRITE_FAULT || code == NvmeStatus.UNRECOVERED_READ_ERROR) {
            mediaErrors++;
        }
    }
}
