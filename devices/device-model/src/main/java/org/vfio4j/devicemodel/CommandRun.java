package org.vfio4j.devicemodel;

import org.jspecify.annotations.Nullable;

/**
 * Counts the commands that one look at the storage has found complete. Those of one queue that were taken together, do the same and
 * ended alike are a run: it is counted as one, when a command comes that is not of it, or at the end of the look. Belongs to the thread
 * that serves the queues; nothing allocates.
 *
 * <p>The time is asked for once in a look, and where that is possible after its last command was answered: the driver goes on meanwhile.
 */
public final class CommandRun {

    private static final int MOST = 64;
    private static final long NO_PLACE = -1;

    private final CommandSet set;

    private @Nullable QueueStatistics queue;
    private int opcode;
    private int status;
    private long startNs;
    private int count;
    private long bytes;

    // Of each of them, for what is told of slow ones.
    private final long[] places = new long[MOST];
    private final long[] lengths = new long[MOST];

    // When the look under way has found them complete; 0 for not asked yet.
    private long doneNs;

    public CommandRun(CommandSet set) {
        this.set = set;
    }

    /**
     * A command was answered, or is about to be.
     *
     * @param startNs when it was taken
     * @param place where on the storage, in the device's blocks
     * @param length bytes that it moved
     */
    public void add(QueueStatistics queue, int opcode, int status, long startNs, long place, long length) {
        if (count == MOST
                || opcode != this.opcode
                || startNs != this.startNs
                || status != this.status
                || !queue.equals(this.queue)) {
            countRun();
            this.queue = queue;
            this.opcode = opcode;
            this.status = status;
            this.startNs = startNs;
        }
        places[count] = place;
        lengths[count] = length;
        bytes += length;
        count++;
    }

    /**
     * The look is over: all that it found is counted.
     *
     * @return when that was, or 0 when nobody has asked for the time
     */
    public long end() {
        countRun();
        long now = doneNs;
        doneNs = 0;
        return now;
    }

    private void countRun() {
        QueueStatistics of = queue;
        if (count == 0 || of == null) {
            return;
        }
        if (doneNs == 0) {
            doneNs = System.nanoTime();
        }
        long latencyNs = doneNs - startNs;
        if (of.completed(set.kind(opcode), count, bytes, latencyNs, set.worked(status))) {
            tellOfEach(of, latencyNs);
        }
        count = 0;
        bytes = 0;
    }

    private void tellOfEach(QueueStatistics of, long latencyNs) {
        boolean placed = set.isPlaced(opcode);
        for (int i = 0; i < count; i++) {
            of.slow(set.name(opcode), placed ? places[i] : NO_PLACE, lengths[i], latencyNs, status);
        }
    }
}
