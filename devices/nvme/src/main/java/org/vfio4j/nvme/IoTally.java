package org.vfio4j.nvme;

/** Counts commands and bytes. Written by the queue thread; plain fields, since nothing depends on how fresh a reader sees them. */
final class IoTally {

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
    long doorbells;
    long faults;
}
