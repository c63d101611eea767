package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_P2P;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_PRE_COPY;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_STOP_COPY;
import static org.vfio4j.vfio.VfioMigrationState.ERROR;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY_P2P;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING_P2P;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import org.vfio4j.sys.ErrnoException;

/**
 * The ways through the states of a migrating device, as linux/vfio.h describes them: the shortest path whose inner states read
 * and write no stream, unless it stays among those that read one.
 */
public final class VfioMigrationFsm {

    /**
     * The next state on the way from a row's state to a column's. ERROR in the table is a way that does not exist: nothing leads
     * into ERROR on purpose, a reset alone leads out of it, and a stream that has got as far as STOP_COPY does not go back.
     */
    private static final VfioMigrationState[][] NEXT = {
        // To, and from: ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P.
        {ERROR, ERROR, ERROR, ERROR, ERROR, ERROR, ERROR, ERROR},
        {ERROR, STOP, RUNNING_P2P, STOP_COPY, RESUMING, RUNNING_P2P, RUNNING_P2P, RUNNING_P2P},
        {ERROR, RUNNING_P2P, RUNNING, RUNNING_P2P, RUNNING_P2P, RUNNING_P2P, PRE_COPY, RUNNING_P2P},
        {ERROR, STOP, STOP, STOP_COPY, STOP, STOP, ERROR, ERROR},
        {ERROR, STOP, STOP, STOP, RESUMING, STOP, STOP, STOP},
        {ERROR, STOP, RUNNING, STOP, STOP, RUNNING_P2P, RUNNING, PRE_COPY_P2P},
        {ERROR, RUNNING, RUNNING, PRE_COPY_P2P, RUNNING, RUNNING, PRE_COPY, PRE_COPY_P2P},
        {ERROR, RUNNING_P2P, RUNNING_P2P, STOP_COPY, RUNNING_P2P, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P},
    };

    private VfioMigrationFsm() {}

    /**
     * The state that the next arc leads to.
     *
     * @param current a state that {@code flags} allow
     * @param flags {@code VFIO_MIGRATION_*} of the device: a state on the way that they do not allow is skipped
     * @return {@code target} when it is a neighbour, or {@code current} itself
     * @throws ErrnoException EINVAL when there is no way, or the device does not have the target
     */
    public static VfioMigrationState next(VfioMigrationState current, VfioMigrationState target, int flags) {
        VfioMigrationState next = supports(target, flags) ? current : ERROR;
        if (next != ERROR) {
            do {
                next = NEXT[next.ordinal()][target.ordinal()];
            } while (!supports(next, flags));
        }
        if (next == ERROR) {
            throw new ErrnoException(
                    EINVAL,
                    "migration state " + current + " to " + target + " with flags 0x" + Integer.toHexString(flags));
        }
        return next;
    }

    /** Whether a device with these flags has the state; each has ERROR. */
    public static boolean supports(VfioMigrationState state, int flags) {
        int needed = switch (state) {
            case ERROR -> 0;
            case STOP, RUNNING, STOP_COPY, RESUMING -> VFIO_MIGRATION_STOP_COPY;
            case RUNNING_P2P -> VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P;
            case PRE_COPY -> VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY;
            case PRE_COPY_P2P -> VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY;
        };
        return (flags & needed) == needed;
    }

    /** Whether the state belongs to those in which a device's state is read, by one stream through all of them. */
    public static boolean isSaving(VfioMigrationState state) {
        return state == STOP_COPY || state == PRE_COPY || state == PRE_COPY_P2P;
    }
}
