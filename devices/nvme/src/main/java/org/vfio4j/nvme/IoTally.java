package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.COMPARE;
import static org.vfio4j.nvme.NvmeSpec.FLUSH;
import static org.vfio4j.nvme.NvmeSpec.READ;
import static org.vfio4j.nvme.NvmeSpec.WRITE;

/** Counts commands and bytes. Written by the queue thread; plain fields, since nothing depends on how fresh a reader sees them. */
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

    void failed(int status) {
        errors++;
        if ((status & STATUS_CODE_TYPE) == MEDIA_ERROR) {
            mediaErrors++;
        }
    }
}
