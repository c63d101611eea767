package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.vfio.VfioMigrationState.ERROR;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY_P2P;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;

/**
 * Where an open device is in its migration: its state, and the stream that belongs to the state. Used by the user's thread; any
 * thread may {@link #peek}.
 *
 * <p>A device that refuses data in RESUMING, or finds in the end that it has not got all of it, is half of two devices: it is in
 * ERROR from then on, until it is reset. Any other failure leaves the state that was reached.
 */
final class VfioMigration {

    private final String name;
    private final VfioMigrationOps ops;
    private volatile VfioMigrationState state = RUNNING;
    private @Nullable VfioMigrationStream stream;
    private volatile long seenResets;

    /** @param name the device's, for messages */
    VfioMigration(String name, VfioMigrationOps ops) {
        this.name = name;
        this.ops = ops;
        this.seenResets = ops.resets();
    }

    int flags() {
        return ops.flags();
    }

    long stopCopyLength() {
        return ops.stopCopyLength();
    }

    VfioMigrationState state() {
        noticeReset();
        return state;
    }

    /** The state, for who only looks on: one that a reset has ended is over for him too. */
    VfioMigrationState peek() {
        return ops.resets() == seenResets ? state : RUNNING;
    }

    /**
     * Goes to a state, arc by arc.
     *
     * @throws ErrnoException EINVAL when there is no way to it, and what the driver says to an arc: the device stays where it
     *     has got to
     */
    void setState(VfioMigrationState target) {
        noticeReset();
        while (true) {
            VfioMigrationState next = VfioMigrationFsm.next(state, target, ops.flags());
            if (next == state) {
                return;
            }
            go(next);
        }
    }

    /** As {@link VfioDeviceFile#migrationRead}. */
    int read(MemorySegment buffer, long at, int count) {
        VfioMigrationStream source = stream(VfioMigrationFsm.isSaving(state()), "read migration data");
        return count == 0 ? 0 : source.read(buffer, at, count);
    }

    /** As {@link VfioDeviceFile#migrationWrite}. */
    void write(MemorySegment buffer, long at, int count) {
        VfioMigrationStream sink = stream(state() == RESUMING, "write migration data");
        if (count == 0) {
            return;
        }
        try {
            sink.write(buffer, at, count);
        } catch (RuntimeException e) {
            enter(ERROR);
            throw e;
        }
    }

    /** @throws ErrnoException EINVAL outside of PRE_COPY and PRE_COPY_P2P */
    VfioPrecopyInfo precopyInfo() {
        VfioMigrationState now = state();
        return stream(now == PRE_COPY || now == PRE_COPY_P2P, "precopy info").precopyInfo();
    }

    /** Whether registers cannot be accessed, because the stream would not tell of a change. */
    boolean isFrozen() {
        return state == STOP_COPY && state() == STOP_COPY;
    }

    /** The device was reset, or is about to be. */
    void reset() {
        seenResets = ops.resets();
        enter(RUNNING);
    }

    /**
     * Nobody goes on with the migration. A device that was working works on.
     *
     * @return whether it does; otherwise it has stopped, or is half of another device, and only a reset makes it usable
     */
    boolean abandon() {
        VfioMigrationState left = state();
        if (left == STOP || left == STOP_COPY || left == RESUMING || left == ERROR) {
            return false;
        }
        try {
            setState(RUNNING);
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    private void go(VfioMigrationState next) {
        Optional<VfioMigrationStream> opened;
        try {
            opened = ops.arc(state, next);
        } catch (RuntimeException e) {
            if (state == RESUMING) {
                enter(ERROR);
            }
            throw e;
        }
        boolean opens = next == RESUMING || (VfioMigrationFsm.isSaving(next) && !VfioMigrationFsm.isSaving(state));
        if (opened.isPresent() != opens) {
            opened.ifPresent(VfioMigrationStream::close);
            String what = name + ": the driver's arc from " + state + " to " + next;
            enter(ERROR);
            throw new ErrnoException(EIO, what + (opens ? " gives no stream" : " gives a stream"));
        }
        enter(next);
        opened.ifPresent(begun -> stream = begun);
    }

    private void enter(VfioMigrationState next) {
        boolean same = VfioMigrationFsm.isSaving(state) && VfioMigrationFsm.isSaving(next);
        state = next;
        VfioMigrationStream ended = stream;
        if (ended != null && !same) {
            stream = null;
            ended.close();
        }
    }

    private void noticeReset() {
        if (ops.resets() != seenResets) {
            reset();
        }
    }

    private VfioMigrationStream stream(boolean legal, String what) {
        VfioMigrationStream open = stream;
        if (!legal || open == null) {
            throw new ErrnoException(EINVAL, name + ": " + what + " in state " + state);
        }
        return open;
    }
}
