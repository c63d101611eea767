package org.vfio4j.mtty;

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
import org.vfio4j.serialcard.SerialCardState;
import org.vfio4j.vfio.VfioMigrationOps;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfiopcicore.VfioPciCore;

/**
 * Migration of a serial card ({@code enum vfio_device_mig_state}, linux/vfio.h). A card does no DMA, so nothing changes between
 * running and running for its peers only. While it runs it sends the header of its state ahead, so that a card which cannot take the
 * state says so before this one stops. Used by the user's thread.
 */
final class MttyMigration implements VfioMigrationOps {

    private final VfioPciCore core;
    private final SerialCardState card;
    private @Nullable SavingStream saving;
    private @Nullable ResumingStream resuming;

    MttyMigration(VfioPciCore core, SerialCardState card) {
        this.core = core;
        this.card = card;
    }

    @Override
    public int flags() {
        return VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY;
    }

    @Override
    public Optional<VfioMigrationStream> arc(VfioMigrationState from, VfioMigrationState to) {
        if ((from == RUNNING && to == PRE_COPY) || (from == RUNNING_P2P && to == PRE_COPY_P2P)) {
            return Optional.of(save(card.header()));
        }
        if (from == PRE_COPY_P2P && to == STOP_COPY) {
            stopAndFinish();
        } else if (from == RUNNING_P2P && to == STOP) {
            card.suspend();
        } else if (from == STOP && to == RUNNING_P2P) {
            card.resume();
        } else if (from == STOP && to == STOP_COPY) {
            SavingStream whole = save(card.header());
            stopAndFinish();
            return Optional.of(whole);
        } else if (from == STOP && to == RESUMING) {
            ResumingStream begun = new ResumingStream(card);
            resuming = begun;
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
        return card.sizeBytes();
    }

    /** The device was reset: it runs, whatever it did before. */
    void reset() {
        saving = null;
        resuming = null;
    }

    private SavingStream save(byte[] header) {
        SavingStream begun = new SavingStream(header);
        saving = begun;
        return begun;
    }

    private void stopAndFinish() {
        card.suspend();
        SavingStream open = saving;
        if (open != null) {
            open.finish(card.save());
        }
        saving = null;
    }

    /** Nothing came: then nothing changes. */
    private void load() {
        ResumingStream whole = resuming;
        if (whole != null && !whole.isEmpty()) {
            card.load(whole.bytes());
        }
        resuming = null;
    }
}
