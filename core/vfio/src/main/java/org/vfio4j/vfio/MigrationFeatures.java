package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * The features by which a device migrates: MIGRATION, MIG_DEVICE_STATE, MIG_DATA_SIZE and MIG_PRECOPY_INFOv2. Used by the user's
 * thread.
 */
final class MigrationFeatures {

    private static final int NO_FD = -1;

    private final VfioMigration migration;

    // The user has said that it knows VFIO_PRECOPY_INFO_REINIT.
    private boolean precopyInfoV2;

    MigrationFeatures(VfioMigration migration) {
        this.migration = migration;
    }

    /** @throws ErrnoException EINVAL for MIG_PRECOPY_INFOv2 of a device that has no PRE_COPY */
    Optional<VfioDeviceFeature> feature(int index) {
        return switch (index) {
            case VFIO_DEVICE_FEATURE_MIGRATION ->
                Optional.of(FunctionFeature.get(FeatureMigration.SIZEOF, this::getFlags));
            case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE ->
                Optional.of(FunctionFeature.both(FeatureMigState.SIZEOF, this::getState, this::setState));
            case VFIO_DEVICE_FEATURE_MIG_DATA_SIZE ->
                Optional.of(FunctionFeature.get(FeatureMigDataSize.SIZEOF, this::getDataSize));
            case VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 -> Optional.of(precopyInfo());
            default -> Optional.empty();
        };
    }

    /** Another user may not know what this one knows. */
    void forgetUser() {
        precopyInfoV2 = false;
    }

    private int getFlags(MemorySegment data) {
        data.set(JAVA_LONG_UNALIGNED, FeatureMigration.FLAGS, migration.flags());
        return FeatureMigration.SIZEOF;
    }

    private int getState(MemorySegment data) {
        data.set(
                JAVA_INT_UNALIGNED,
                FeatureMigState.DEVICE_STATE,
                migration.state().ordinal());
        data.set(JAVA_INT_UNALIGNED, FeatureMigState.DATA_FD, NO_FD);
        return FeatureMigState.SIZEOF;
    }

    private void setState(MemorySegment data) {
        data.set(JAVA_INT_UNALIGNED, FeatureMigState.DATA_FD, NO_FD);
        migration.setState(VfioMigrationState.of(data.get(JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE)));
    }

    private int getDataSize(MemorySegment data) {
        data.set(JAVA_LONG_UNALIGNED, FeatureMigDataSize.STOP_COPY_LENGTH, migration.stopCopyLength());
        return FeatureMigDataSize.SIZEOF;
    }

    // The kernel's feature has SET alone; GET is ours, because the protocol has no message for
    // VFIO_MIG_GET_PRECOPY_INFO.
    private VfioDeviceFeature precopyInfo() {
        if ((migration.flags() & VFIO_MIGRATION_PRE_COPY) == 0) {
            throw new ErrnoException(EINVAL, "device feature MIG_PRECOPY_INFOv2 of a device without PRE_COPY");
        }
        return new FunctionFeature(
                VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
                0,
                this::getPrecopyInfo,
                data -> precopyInfoV2 = true);
    }

    private int getPrecopyInfo(MemorySegment data) {
        if (data.byteSize() < PrecopyInfo.SIZEOF) {
            throw new ErrnoException(
                    EINVAL, "precopy info: " + data.byteSize() + " bytes of data, " + PrecopyInfo.SIZEOF + " needed");
        }
        VfioPrecopyInfo info = migration.precopyInfo();
        int flags = info.reinit() && precopyInfoV2 ? VFIO_PRECOPY_INFO_REINIT : 0;
        data.set(JAVA_INT_UNALIGNED, PrecopyInfo.ARGSZ, PrecopyInfo.SIZEOF);
        data.set(JAVA_INT_UNALIGNED, PrecopyInfo.FLAGS, flags);
        data.set(JAVA_LONG_UNALIGNED, PrecopyInfo.INITIAL_BYTES, info.initialBytes());
        data.set(JAVA_LONG_UNALIGNED, PrecopyInfo.DIRTY_BYTES, info.dirtyBytes());
        return PrecopyInfo.SIZEOF;
    }
}
