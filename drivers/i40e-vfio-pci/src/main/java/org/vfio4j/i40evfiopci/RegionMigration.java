package org.vfio4j.i40evfiopci;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_STATE_RESUMING_V1;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_STATE_RUNNING_V1;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_STATE_SAVING_V1;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_STATE_STOP_V1;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio.DeviceMigrationInfo;
import org.vfio4j.vfiopcicore.VfioPciRegionOps;

/**
 * Migration of the first generation: a region of type {@code VFIO_REGION_TYPE_MIGRATION} that begins with {@code struct
 * vfio_device_migration_info} (linux/vfio.h), registers by which a user moves the state through a window behind them. Saving is a
 * loop of pending_bytes, data_offset, data_size and the data, until nothing is pending; resuming one of data_offset, the data and
 * data_size. Nothing is to be saved while the device runs. Belongs to the user's thread.
 */
final class RegionMigration implements VfioPciRegionOps {

    static final int WINDOW_OFFSET = 4096;
    static final int WINDOW_BYTES = 1 << 16;
    static final int REGION_BYTES = WINDOW_OFFSET + WINDOW_BYTES;

    /** The device does not know its state any more: until it is reset. */
    static final int ERROR = VFIO_DEVICE_STATE_SAVING_V1 | VFIO_DEVICE_STATE_RESUMING_V1;

    private static final int PRE_COPY = VFIO_DEVICE_STATE_RUNNING_V1 | VFIO_DEVICE_STATE_SAVING_V1;

    private final I40eVfControl vf;
    private final Consumer<Boolean> saving;
    private final byte[] window = new byte[WINDOW_BYTES];
    private final MemorySegment windowSegment = MemorySegment.ofArray(window);

    private int state = VFIO_DEVICE_STATE_RUNNING_V1;
    private @Nullable SavedState outgoing;
    private @Nullable IncomingState incoming;
    private int staged;

    /** @param saving hears whether the device is being saved */
    RegionMigration(I40eVfControl vf, Consumer<Boolean> saving) {
        this.vf = vf;
        this.saving = saving;
    }

    /** Whether the device is meant to run. */
    boolean isRunning() {
        return (state & VFIO_DEVICE_STATE_RUNNING_V1) != 0;
    }

    /** The device was reset: it runs, whatever it did before. */
    void reset() {
        enter(VFIO_DEVICE_STATE_RUNNING_V1);
        vf.resume();
    }

    /**
     * Nobody goes on with the migration. A device that runs runs on.
     *
     * @return whether it does; otherwise only a reset makes it usable
     */
    boolean abandon() {
        if (isRunning()) {
            enter(VFIO_DEVICE_STATE_RUNNING_V1);
        }
        return isRunning();
    }

    @Override
    public void read(long offset, MemorySegment buffer, long at, int count) {
        if (isWindow(offset, count)) {
            MemorySegment.copy(windowSegment, offset - WINDOW_OFFSET, buffer, at, count);
        } else if (count == Integer.BYTES && offset == DeviceMigrationInfo.DEVICE_STATE) {
            buffer.set(JAVA_INT_UNALIGNED, at, state);
        } else if (count == Long.BYTES) {
            buffer.set(JAVA_LONG_UNALIGNED, at, register(offset));
        } else {
            throw refused("read", offset, count);
        }
    }

    @Override
    public void write(long offset, MemorySegment buffer, long at, int count) {
        if (isWindow(offset, count) && state == VFIO_DEVICE_STATE_RESUMING_V1) {
            MemorySegment.copy(buffer, at, windowSegment, offset - WINDOW_OFFSET, count);
        } else if (count == Integer.BYTES && offset == DeviceMigrationInfo.DEVICE_STATE) {
            change(buffer.get(JAVA_INT_UNALIGNED, at));
        } else if (count == Long.BYTES && offset == DeviceMigrationInfo.DATA_SIZE) {
            take(buffer.get(JAVA_LONG_UNALIGNED, at));
        } else {
            throw refused("write", offset, count);
        }
    }

    private long register(long offset) {
        return switch ((int) offset) {
            case DeviceMigrationInfo.PENDING_BYTES -> pending();
            case DeviceMigrationInfo.DATA_OFFSET -> stage();
            case DeviceMigrationInfo.DATA_SIZE -> staged;
            default -> throw refused("read", offset, Long.BYTES);
        };
    }

    // Reading this ends an iteration: what was staged has been read.
    private long pending() {
        staged = 0;
        return outgoing == null ? 0 : outgoing.remaining();
    }

    private long stage() {
        if (outgoing != null && staged == 0 && outgoing.remaining() > 0) {
            staged = outgoing.read(windowSegment, 0, WINDOW_BYTES);
        }
        return WINDOW_OFFSET;
    }

    private void take(long bytes) {
        IncomingState coming = incoming;
        if (coming == null || bytes < 0 || bytes > WINDOW_BYTES) {
            throw new ErrnoException(
                    EINVAL,
                    "migration region: data_size " + Long.toUnsignedString(bytes) + " in state " + state
                            + ", the window has " + WINDOW_BYTES);
        }
        coming.write(windowSegment, 0, (int) bytes);
    }

    private void change(int wanted) {
        if (!isLegal(state, wanted)) {
            throw new ErrnoException(EINVAL, "migration region: device_state " + state + " to " + wanted);
        }
        if (wanted == state) {
            return;
        }
        if (state == VFIO_DEVICE_STATE_RESUMING_V1) {
            load();
        }
        boolean run = (wanted & VFIO_DEVICE_STATE_RUNNING_V1) != 0;
        if (!run) {
            vf.suspend();
        }
        enter(wanted);
        if (wanted == VFIO_DEVICE_STATE_SAVING_V1) {
            outgoing = new SavedState(StateStream.save(vf));
        } else if (wanted == VFIO_DEVICE_STATE_RESUMING_V1) {
            incoming = new IncomingState();
        }
        if (run) {
            vf.resume();
        }
    }

    private void enter(int newState) {
        state = newState;
        outgoing = null;
        incoming = null;
        staged = 0;
        Arrays.fill(window, (byte) 0);
        saving.accept((newState & VFIO_DEVICE_STATE_SAVING_V1) != 0);
    }

    private void load() {
        IncomingState whole = incoming;
        if (whole == null || whole.isEmpty()) {
            return;
        }
        try {
            StateStream.load(vf, whole.bytes());
        } catch (ErrnoException e) {
            enter(ERROR);
            throw e;
        }
    }

    private static boolean isLegal(int from, int to) {
        return switch (to) {
            case VFIO_DEVICE_STATE_STOP_V1, VFIO_DEVICE_STATE_RUNNING_V1 -> from != ERROR;
            case PRE_COPY -> from == VFIO_DEVICE_STATE_RUNNING_V1 || from == PRE_COPY;
            case VFIO_DEVICE_STATE_SAVING_V1 -> from != ERROR && from != VFIO_DEVICE_STATE_RESUMING_V1;
            case VFIO_DEVICE_STATE_RESUMING_V1 ->
                from == VFIO_DEVICE_STATE_RUNNING_V1
                        || from == VFIO_DEVICE_STATE_STOP_V1
                        || from == VFIO_DEVICE_STATE_RESUMING_V1;
            default -> false;
        };
    }

    private static boolean isWindow(long offset, int count) {
        return offset >= WINDOW_OFFSET && offset + count <= REGION_BYTES;
    }

    private ErrnoException refused(String what, long offset, int count) {
        return new ErrnoException(
                EINVAL, "migration region: " + what + " of " + count + " bytes at " + offset + " in state " + state);
    }
}
