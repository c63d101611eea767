package org.vfio4j.vfio;

import java.util.Optional;

/**
 * What a driver does for live migration: {@code struct vfio_migration_ops} (linux/vfio.h). VFIO keeps the state and finds the
 * way from one state to another; a driver implements single arcs. The user's thread calls, one call at a time; failures are
 * {@code ErrnoException}s, whose errno goes to the user.
 */
public interface VfioMigrationOps {

    /**
     * {@code VFIO_MIGRATION_*} that the device can do. Constant while the device is registered; {@code STOP_COPY} is always
     * among them.
     */
    int flags();

    /**
     * Goes along one arc of the state machine. When it throws, the device is still in {@code from}.
     *
     * @param from the state that the device is in
     * @param to a neighbour of it: one of the arcs that linux/vfio.h describes for the device's flags
     * @return the stream of an arc that begins one: STOP to STOP_COPY, STOP to RESUMING, RUNNING to PRE_COPY, RUNNING_P2P to
     *     PRE_COPY_P2P. Empty for every other arc; PRE_COPY to STOP_COPY goes on with the stream that there is
     */
    Optional<VfioMigrationStream> arc(VfioMigrationState from, VfioMigrationState to);

    /**
     * How often the device has been reset since it was registered otherwise than by {@code VFIO_DEVICE_RESET}: by FLR, say. A
     * reset puts the device into RUNNING and ends its stream; VFIO learns of it here, before it uses the state.
     */
    default long resets() {
        return 0;
    }

    /** About how many bytes STOP_COPY would have to read now ({@code VFIO_DEVICE_FEATURE_MIG_DATA_SIZE}). */
    long stopCopyLength();
}
