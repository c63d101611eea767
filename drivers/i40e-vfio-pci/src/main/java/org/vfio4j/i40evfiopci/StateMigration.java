package org.vfio4j.i40evfiopci;

import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_P2P;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_STOP_COPY;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING_P2P;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.vfio.VfioMigrationOps;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfiopcicore.VfioPciCore;

/**
 * Migration of the second generation ({@code enum vfio_device_mig_state}, linux/vfio.h). A suspended function does no DMA at all,
 * so what stops it for its peers stops it whole.
 *
 * <p>There is no PRE_COPY: it is for state that is large and mostly stands still. This one is registers and places in rings, a few
 * KiB, of which each packet changes some, and a function that runs cannot give them all as of one moment. All of it would be sent
 * again at the end. What is large and can be copied early is the guest's memory, which the log is for. Used by the user's thread.
 */
final class StateMigration implements VfioMigrationOps {

    private final VfioPciCore core;
    private final I40eVfControl vf;
    private @Nullable IncomingState incoming;

    StateMigration(VfioPciCore core, I40eVfControl vf) {
        this.core = core;
        this.vf = vf;
    }

    @Override
    public int flags() {
        return VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P;
    }

    @Override
    public Optional<VfioMigrationStream> arc(VfioMigrationState from, VfioMigrationState to) {
        if (from == RUNNING && to == RUNNING_P2P) {
            vf.suspend();
        } else if (from == RUNNING_P2P && to == RUNNING) {
            vf.resume();
        } else if (from == STOP && to == STOP_COPY) {
            return Optional.of(new SavedState(StateStream.save(vf)));
        } else if (from == STOP && to == RESUMING) {
            IncomingState begun = new IncomingState();
            incoming = begun;
            return Optional.of(begun);
        } else if (from == RESUMING && to == STOP) {
            load();
        }
        return Optional.empty();
    }

    @Override
    public long resets() {
        return core.resets();
    }

    @Override
    public long stopCopyLength() {
        return StateStream.OVERHEAD_BYTES + (long) vf.stateBytes();
    }

    /** The device was reset: it runs, whatever it did before. */
    void reset() {
        incoming = null;
        vf.resume();
    }

    /** Nothing came: then nothing changes. */
    private void load() {
        IncomingState whole = incoming;
        if (whole != null && !whole.isEmpty()) {
            StateStream.load(vf, whole.bytes());
        }
        incoming = null;
    }
}
