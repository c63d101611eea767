package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;

import org.vfio4j.sys.ErrnoException;

/** {@code enum vfio_device_mig_state} (linux/vfio.h): the numbers are the ordinals. */
public enum VfioMigrationState {
    /** Something went wrong on the way: only a reset leads out. */
    ERROR,
    /** Does no DMA, changes nothing, and has no stream. */
    STOP,
    /** Works. */
    RUNNING,
    /** As STOP, and its state can be read. */
    STOP_COPY,
    /** As STOP, and its state can be written. */
    RESUMING,
    /** Works, and starts no DMA to other devices. */
    RUNNING_P2P,
    /** Works, and what is known of its state can be read already. */
    PRE_COPY,
    /** As RUNNING_P2P and PRE_COPY. */
    PRE_COPY_P2P;

    private static final VfioMigrationState[] VALUES = values();

    /**
     * The state of this number.
     *
     * @throws ErrnoException EINVAL when there is none
     */
    public static VfioMigrationState of(int number) {
        if (number < 0 || number >= VALUES.length) {
            throw new ErrnoException(
                    EINVAL,
                    "migration state " + Integer.toUnsignedLong(number) + ": the last is " + (VALUES.length - 1));
        }
        return VALUES[number];
    }
}
