package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import org.vfio4j.devicemodel.CommandKind;
import org.vfio4j.devicemodel.QueueStatistics;

/** Counts commands and bytes. Written by one queue thread; plain fields, since nothing depends on how fresh a reader sees them. */
final class IoTally {

    private static final int STATUS_CODE_TYPE = 0x700;
    private static final int MEDIA_ERROR = 0x200;

    long reads;
    long writes;
    long flushes;
    long compares;

    /** Dataset Management, Write Zeroes, Verify and Copy. */
    long others;

    long readBytes;
    long writtenBytes;
    long adminCommands;

    /** Completions with another status than success. */
    long errors;

    /** Media and data integrity errors among them. */
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
        boolean worked = status == NvmeStatus.SUCCESSFUL_COMPLETION;
        if (queue.completed(kind(opcode), bytes, latencyNs, worked)) {
            queue.slow(name(opcode), opcode == FLUSH || opcode == DATASET_MANAGEMENT ? -1 : slba, bytes, latencyNs, status);
        }
    }

    private static CommandKind kind(int opcode) {
        return switch (opcode) {
            case READ -> CommandKind.READ;
            case WRITE -> CommandKind.WRITE;
            case FLUSH -> CommandKind.FLUSH;
            case DATASET_MANAGEMENT, WRITE_ZEROES -> CommandKind.DISCARD;
            default -> CommandKind.OTHER;
        };
    }

    private static String name(int opcode) {
        return switch (opcode) {
            case FLUSH -> "Flush";
            case WRITE -> "Write";
            case READ -> "Read";
            case COMPARE -> "Compare";
            case WRITE_ZEROES -> "Write Zeroes";
            case DATASET_MANAGEMENT -> "Dataset Management";
            case VERIFY -> "Verify";
            case COPY -> "Copy";
            default -> "unknown";
        };
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

    /** Adds what another has counted, which may go on counting. */
    void add(IoTally other) {
        reads += other.reads;
        writes += other.writes;
        flushes += other.flushes;
        compares += other.compares;
        others += other.others;
        readBytes += other.readBytes;
        writtenBytes += other.writtenBytes;
        adminCommands += other.adminCommands;
        errors += other.errors;
        mediaErrors += other.mediaErrors;
        slow += other.slow;
        interrupts += other.interrupts;
        faults += other.faults;
    }

    void failed(int status) {
        errors++;
        if ((status & STATUS_CODE_TYPE) == MEDIA_ERROR) {
            mediaErrors++;
        }
    }
}
