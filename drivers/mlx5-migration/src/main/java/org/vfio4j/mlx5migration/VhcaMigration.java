package org.vfio4j.mlx5migration;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_P2P;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_PRE_COPY;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_STOP_COPY;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY_P2P;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING_P2P;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.mlx5.VhcaSide;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationOps;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfiopcicore.VfioPciCore;

/**
 * Migration of a VHCA by commands of its firmware: which arc is which command. P2P is its initiator's side suspended, STOP both
 * sides. Used by the user's thread.
 */
final class VhcaMigration implements VfioMigrationOps {

    private final VfioPciCore core;
    private final Mlx5Firmware firmware;
    private final int vhcaId;
    private @Nullable SavingStream saving;
    private @Nullable ResumingStream resuming;

    VhcaMigration(VfioPciCore core, Mlx5Firmware firmware, int vhcaId) {
        this.core = core;
        this.firmware = firmware;
        this.vhcaId = vhcaId;
    }

    @Override
    public int flags() {
        int whileRunning = firmware.caps().migrationTrackingState() ? VFIO_MIGRATION_PRE_COPY : 0;
        return VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | whileRunning;
    }

    @Override
    public Optional<VfioMigrationStream> arc(VfioMigrationState from, VfioMigrationState to) {
        if (is(from, to, RUNNING, RUNNING_P2P) || is(from, to, PRE_COPY, PRE_COPY_P2P)) {
            firmware.suspendVhca(vhcaId, VhcaSide.INITIATOR);
        } else if (is(from, to, RUNNING_P2P, RUNNING) || is(from, to, PRE_COPY_P2P, PRE_COPY)) {
            firmware.resumeVhca(vhcaId, VhcaSide.INITIATOR);
        } else if (is(from, to, RUNNING_P2P, STOP)) {
            firmware.suspendVhca(vhcaId, VhcaSide.RESPONDER);
        } else if (is(from, to, STOP, RUNNING_P2P)) {
            firmware.resumeVhca(vhcaId, VhcaSide.RESPONDER);
        } else if (is(from, to, RUNNING, PRE_COPY) || is(from, to, RUNNING_P2P, PRE_COPY_P2P)) {
            return save(true);
        } else if (is(from, to, STOP, STOP_COPY)) {
            return save(false);
        } else if (is(from, to, PRE_COPY_P2P, STOP_COPY)) {
            stopAndFinish();
        } else if (is(from, to, STOP, RESUMING)) {
            ResumingStream begun = new ResumingStream(image -> firmware.loadVhcaState(vhcaId, image));
            resuming = begun;
            return Optional.of(begun);
        } else if (is(from, to, RESUMING, STOP)) {
            endResuming();
        } else {
            // PRE_COPY to RUNNING, its P2P likewise, and STOP_COPY to STOP: the stream is given up.
            saving = null;
        }
        return Optional.empty();
    }

    @Override
    public long resets() {
        return core.resets();
    }

    /** {@inheritDoc} In PRE_COPY what has been saved and not been read is part of it. */
    @Override
    public long stopCopyLength() {
        SavingStream running = saving;
        long whole = firmware.queryVhcaMigrationState(vhcaId, false).requiredUmemSize();
        long headers = 2L * MigrationHeader.BYTES + MigrationHeader.STOP_COPY_SIZE_BYTES;
        return whole + headers + (running == null ? 0 : running.remaining());
    }

    /** The function was reset, and with it its VHCA: it runs, and its streams are no more. */
    void reset() {
        saving = null;
        resuming = null;
    }

    private Optional<VfioMigrationStream> save(boolean track) {
        SavingStream begun = new SavingStream(firmware, vhcaId, track);
        saving = begun;
        return Optional.of(begun);
    }

    /** When the last image cannot be had, the device is as stopped as it was. */
    private void stopAndFinish() {
        SavingStream open = saving;
        if (open == null) {
            throw new ErrnoException(EINVAL, "stop and copy: there is no stream");
        }
        firmware.suspendVhca(vhcaId, VhcaSide.RESPONDER);
        boolean finished = false;
        try {
            open.finish();
            finished = true;
        } finally {
            if (!finished) {
                firmware.resumeVhca(vhcaId, VhcaSide.RESPONDER);
            }
        }
    }

    /** Nothing came: then nothing changes. */
    private void endResuming() {
        ResumingStream ended = resuming;
        resuming = null;
        if (ended == null || ended.isEmpty()) {
            return;
        }
        if (!ended.isWhole()) {
            throw new ErrnoException(EINVAL, "migration data: it ends in the middle of a record");
        }
        if (firmware.queryVhcaMigrationState(vhcaId, false).isLoading()) {
            throw new ErrnoException(EINVAL, "migration data: the last image has not come");
        }
    }

    private static boolean is(
            VfioMigrationState from, VfioMigrationState to, VfioMigrationState thisFrom, VfioMigrationState thisTo) {
        return from == thisFrom && to == thisTo;
    }
}
