package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.ENOMSG;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioPrecopyInfo;

/** The features by which a device migrates and logs what it writes (linux/vfio.h, version 2 of the protocol). */
final class MigratingDevice {

    /** What one report covers: its bitmap is a small part of what a message holds. */
    private static final long REPORT_BYTES = 1L << 30;

    private final VfioDeviceFile file;

    MigratingDevice(VfioDeviceFile file) {
        this.file = file;
    }

    /**
     * {@code VFIO_MIGRATION_*}.
     *
     * @throws ErrnoException ENOTTY for a device that cannot migrate
     */
    long flags() {
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureMigration.SIZEOF]);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, data);
        return data.get(JAVA_LONG_UNALIGNED, FeatureMigration.FLAGS);
    }

    boolean hasPreCopy() {
        return (flags() & VFIO_MIGRATION_PRE_COPY) != 0;
    }

    void go(VfioMigrationState state) {
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureMigState.SIZEOF]);
        data.set(JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE, state.ordinal());
        data.set(JAVA_INT_UNALIGNED, FeatureMigState.DATA_FD, -1);
        file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
    }

    VfioMigrationState state() {
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureMigState.SIZEOF]);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
        return VfioMigrationState.of(data.get(JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE));
    }

    /** Estimate of what STOP_COPY will have to read. */
    long stopCopyLength() {
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureMigDataSize.SIZEOF]);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, data);
        return data.get(JAVA_LONG_UNALIGNED, FeatureMigDataSize.STOP_COPY_LENGTH);
    }

    /** Of a device in PRE_COPY. */
    VfioPrecopyInfo precopyInfo() {
        return VfioPrecopyInfo.of(file);
    }

    /** The next bytes of the state; 0 when there is nothing, or nothing now. */
    int read(MemorySegment buffer) {
        try {
            return file.migrationRead(buffer, 0, (int) buffer.byteSize());
        } catch (ErrnoException e) {
            if (e.errno() == ENOMSG) {
                return 0;
            }
            throw e;
        }
    }

    void write(MemorySegment data) {
        file.migrationWrite(data, 0, (int) data.byteSize());
    }

    /** @throws ErrnoException ENOTTY for a device that cannot log */
    void startLog(List<GuestMemory.Range> ranges) {
        int size = FeatureDmaLoggingControl.RANGES + ranges.size() * FeatureDmaLoggingControl.RANGE_SIZEOF;
        MemorySegment data = MemorySegment.ofArray(new byte[size]);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, GuestMemory.PAGE_BYTES);
        data.set(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES, ranges.size());
        long at = FeatureDmaLoggingControl.RANGES;
        for (GuestMemory.Range range : ranges) {
            data.set(JAVA_LONG_UNALIGNED, at + FeatureDmaLoggingControl.RANGE_IOVA, range.iova());
            data.set(JAVA_LONG_UNALIGNED, at + FeatureDmaLoggingControl.RANGE_LENGTH, range.sizeBytes());
            at += FeatureDmaLoggingControl.RANGE_SIZEOF;
        }
        file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data);
    }

    void stopLog() {
        MemorySegment nothing = MemorySegment.ofArray(new byte[0]);
        file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, nothing);
    }

    /** Adds the pages that the device has written since the last time. */
    void report(PageSet pages) {
        for (GuestMemory.Range range : pages.ranges()) {
            for (long at = range.iova(); at < range.end(); at += REPORT_BYTES) {
                long length = Math.min(REPORT_BYTES, range.end() - at);
                // A multiple of 2 MiB is one of 64 pages.
                long bitmapBytes = length / GuestMemory.PAGE_BYTES / Byte.SIZE;
                MemorySegment data =
                        MemorySegment.ofArray(new byte[FeatureDmaLoggingReport.SIZEOF + (int) bitmapBytes]);
                data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.IOVA, at);
                data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.LENGTH, length);
                data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.PAGE_SIZE, GuestMemory.PAGE_BYTES);
                file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data);
                pages.addBitmap(at, data.asSlice(FeatureDmaLoggingReport.BITMAP));
            }
        }
    }
}
