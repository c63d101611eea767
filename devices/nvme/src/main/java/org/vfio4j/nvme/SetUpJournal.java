package org.vfio4j.nvme;

import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.devicemodel.StateJournal;
import org.vfio4j.sys.RawMemory;

/**
 * What a driver has set up of an enabled controller, kept in memory that outlives the process until the driver uses an I/O queue. A driver that
 * is still at that has nothing to do again, and waits long before it looks whether the controller has failed: it finds its admin queues going on.
 *
 * <p>Written before each answer, and with it. So a command that was answered is not carried out again, and one that was not is, which none
 * minds that {@link AdminQueue} lets pass here. An answer that the driver may have seen is given again, in its place: the next one there
 * cannot be without another record. Any thread.
 *
 * <pre>
 *   0 tail of the admin submission queue, as it was rung      4 head of the admin completion queue      64 the state
 * </pre>
 */
final class SetUpJournal {

    private static final int RUNG_BYTES = 64;

    /** Features, held commands, logs, and what is said of each of the most namespaces. */
    private static final int ADMIN_BYTES = ErrorLog.SIZE + 16 * 1024;

    private static final byte[] NOTHING = {};

    /** CC.EN was written, and the controller is not ready yet. */
    private static final byte[] ABOUT_TO_BEGIN = {1};

    private final int capacity;
    private @Nullable StateJournal states;
    private long rung;
    private volatile boolean open;
    private volatile boolean frozen;

    SetUpJournal(int queuePairs) {
        capacity = NvmeState.sizeBytes(queuePairs) + ADMIN_BYTES;
    }

    long sizeBytes() {
        return RUNG_BYTES + StateJournal.sizeBytes(capacity);
    }

    /**
     * Keeps it there, from the next {@link #begin} or {@link #goOn} on.
     *
     * @param address of {@link #sizeBytes} bytes, a multiple of 64
     * @return what was there, if a driver was at it
     */
    synchronized Optional<byte[]> keepAt(long address) {
        StateJournal there = new StateJournal(address + RUNG_BYTES, capacity);
        rung = address;
        states = there;
        return there.read().filter(state -> state.length != 0);
    }

    /** CC.EN is about to be kept as 1: whoever finds that, and no more, enables the controller itself. The function's thread. */
    synchronized void announce() {
        if (states != null && !frozen) {
            states.write(ABOUT_TO_BEGIN);
        }
    }

    static boolean isAboutToBegin(byte[] kept) {
        return Arrays.equals(kept, ABOUT_TO_BEGIN);
    }

    /** The controller is enabled, and its driver sees that next. */
    void begin(Controller controller) {
        if (opens()) {
            write(controller, take(controller).ready());
        }
    }

    private synchronized boolean opens() {
        if (states != null && !frozen) {
            rang(0, 0);
            rang(1, 0);
            open = true;
        }
        return open;
    }

    /** The driver's doorbells are where they were, and what was kept is the controller's. */
    synchronized void goOn() {
        open = true;
    }

    /** The doorbells of the admin queues, as they were rung by trapped writes. */
    int rung(int doorbell) {
        return RawMemory.getInt(at(doorbell));
    }

    /** The driver has written a doorbell, and has no answer yet. One of an I/O queue is kept nowhere. */
    void rung(int doorbell, int value) {
        if (open) {
            if (doorbell > Doorbells.headOf(0)) {
                end();
            } else {
                rang(doorbell, value);
            }
        }
    }

    private void rang(int doorbell, int value) {
        RawMemory.putIntRelease(at(doorbell), value);
    }

    private long at(int doorbell) {
        return rung + (long) doorbell * Integer.BYTES;
    }

    /**
     * Before the driver is told of something. By the thread of the admin queues.
     *
     * @param answer what it is told first, before the completions that are held; null when that is the first of those
     * @param busy whether the last command that was taken is still to be carried out
     */
    void save(Controller controller, Controller.@Nullable HeldCompletion answer, boolean busy) {
        if (!open) {
            return;
        }
        NvmeState state = take(controller);
        state = busy ? state.untakenAdmin() : state;
        write(controller, answer == null ? state : state.answering(answer));
    }

    /** What is too large is not kept, nor anything from then on: what was kept before is not true any more. */
    private void write(Controller controller, NvmeState state) {
        byte[] bytes = state.toBytes(controller.queuePairs());
        if (bytes.length > capacity) {
            end();
        } else {
            write(bytes);
        }
    }

    private static NvmeState take(Controller controller) {
        synchronized (controller.handlerLock()) {
            return NvmeState.take(controller);
        }
    }

    private synchronized void write(byte[] bytes) {
        if (open && states != null) {
            states.write(bytes);
        }
    }

    /** Something that cannot be done again is about to be done, or the controller has failed. */
    void end() {
        if (open) {
            clear();
        }
    }

    /** Nothing is gone on with. */
    synchronized void clear() {
        if (states != null) {
            states.write(NOTHING);
        }
        open = false;
    }

    /** There are no queues any more. */
    void forget() {
        if (frozen) {
            open = false;
        } else {
            end();
        }
    }

    /** What becomes of the queues is not kept any more, but what is done with them. */
    void freeze() {
        frozen = true;
    }
}
