package org.vfio4j.devicemodel;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Counts what one queue of a device does, and how long its commands take. The thread that serves the queue counts; any thread takes
 * a {@link #snapshot}. Counting takes no lock, allocates nothing and asks for no time: whoever serves the queue asks once for
 * all commands that it takes in a pass, and once for all that it completes, as with a {@link CommandRun}.
 */
public final class QueueStatistics {

    private static final int KINDS = CommandKind.values().length;
    private static final int READ_BYTES = KINDS;
    private static final int WRITTEN_BYTES = KINDS + 1;
    private static final int ERRORS = KINDS + 2;
    private static final int SLOW = KINDS + 3;
    private static final int IN_FLIGHT = KINDS + 4;
    private static final int INTERRUPTS = KINDS + 5;
    private static final int COUNT = KINDS + 6;

    private final int queue;
    private final SlowCommands slowCommands;
    private final long slowNs;
    private final AtomicLongArray values = new AtomicLongArray(COUNT);
    private final AtomicLong notifications = new AtomicLong();
    private final LatencyRecorder reads = new LatencyRecorder();
    private final LatencyRecorder writes = new LatencyRecorder();
    private final LatencyRecorder others = new LatencyRecorder();

    QueueStatistics(int queue, SlowCommands slowCommands) {
        this.queue = queue;
        this.slowCommands = slowCommands;
        slowNs = slowCommands.thresholdNs();
    }

    /** The driver has rung for the queue. From any thread. */
    public void notified() {
        notifications.incrementAndGet();
    }

    /** The queue has interrupted. */
    public void interrupted() {
        add(INTERRUPTS, 1);
    }

    /** So many commands were taken from the queue; each will be {@link #completed}, or all {@link #abandoned}. */
    public void started(int commands) {
        add(IN_FLIGHT, commands);
    }

    /**
     * A command was answered.
     *
     * @param bytes moved to or from the driver
     * @param latencyNs since the command was taken
     * @param worked whether it was answered with success
     * @return whether it took so long that {@link #slow} wants to know more
     */
    public boolean completed(CommandKind kind, long bytes, long latencyNs, boolean worked) {
        return completed(kind, 1, bytes, latencyNs, worked);
    }

    /**
     * So many commands of a kind were answered alike, after the same time.
     *
     * @param bytes moved by all of them together
     * @return whether {@link #slow} wants to know more of each
     */
    public boolean completed(CommandKind kind, int commands, long bytes, long latencyNs, boolean worked) {
        switch (kind) {
            case READ -> {
                reads.record(latencyNs, commands);
                add(READ_BYTES, worked ? bytes : 0);
            }
            case WRITE -> {
                writes.record(latencyNs, commands);
                add(WRITTEN_BYTES, worked ? bytes : 0);
            }
            default -> others.record(latencyNs, commands);
        }
        add(IN_FLIGHT, -commands);
        // Last, so that whoever sees a command counted sees its duration too.
        int counter = worked ? kind.ordinal() : ERRORS;
        values.setRelease(counter, values.getPlain(counter) + commands);
        return latencyNs > slowNs;
    }

    /**
     * What {@link #completed} asked for: counts it, and tells it to Java Flight Recorder.
     *
     * @param opcode as its protocol calls it, {@code VIRTIO_BLK_T_IN}
     * @param lba where on the storage, in the device's blocks; -1 for a command that is at no place
     * @param status as the driver got it
     */
    public void slow(String opcode, long lba, long bytes, long latencyNs, int status) {
        add(SLOW, 1);
        slowCommands.report(queue, opcode, lba, bytes, latencyNs, status);
    }

    /** Whatever was taken is not going to be answered: the device was reset, or has failed. */
    public void abandoned() {
        values.setOpaque(IN_FLIGHT, 0);
    }

    /** What it has counted so far. From any thread. */
    public QueueSnapshot snapshot() {
        long errors = values.getAcquire(ERRORS);
        return new QueueSnapshot(
                queue,
                count(CommandKind.READ),
                count(CommandKind.WRITE),
                count(CommandKind.FLUSH),
                count(CommandKind.DISCARD),
                count(CommandKind.OTHER),
                values.getOpaque(READ_BYTES),
                values.getOpaque(WRITTEN_BYTES),
                errors,
                values.getOpaque(SLOW),
                Math.max(0, values.getOpaque(IN_FLIGHT)),
                notifications.get(),
                values.getOpaque(INTERRUPTS),
                reads.snapshot(),
                writes.snapshot(),
                others.snapshot());
    }

    private long count(CommandKind kind) {
        return values.getAcquire(kind.ordinal());
    }

    private void add(int counter, long more) {
        values.setOpaque(counter, values.getPlain(counter) + more);
    }
}
