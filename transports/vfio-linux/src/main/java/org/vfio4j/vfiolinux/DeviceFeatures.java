package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_FEATURE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioKernel;
import org.vfio4j.uapi.VfioUser.DeviceFeature;
import org.vfio4j.vfio.VfioMigrationState;

/**
 * A device's features. Where the interface has arrays behind a structure, the kernel has pointers to them; where the kernel has
 * descriptors in a structure, the interface has none. Belongs to the file's user.
 */
final class DeviceFeatures {

    private static final int NO_FD = -1;

    /** They are numbered without gaps. */
    private static final int LAST_KNOWN = VFIO_DEVICE_FEATURE_ZPCI_ERROR;

    private final String name;
    private final KernelCalls kernel;
    private final MigrationData stream;
    private boolean logging;

    /** @param stream gets what the kernel opens for migration data */
    DeviceFeatures(String name, KernelCalls kernel, MigrationData stream) {
        this.name = name;
        this.kernel = kernel;
        this.stream = stream;
    }

    /** Whether the device's writes are logged. */
    boolean isLogging() {
        return logging;
    }

    int use(int flags, MemorySegment data) {
        checkIsThere(flags);
        int index = flags & VFIO_DEVICE_FEATURE_MASK;
        if ((flags & VFIO_DEVICE_FEATURE_PROBE) != 0) {
            // That it can be asked is the interface's doing.
            int asked = index == VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 ? flags & ~VFIO_DEVICE_FEATURE_GET : flags;
            plain(asked, MemorySegment.NULL);
            return 0;
        }
        boolean get = (flags & VFIO_DEVICE_FEATURE_GET) != 0;
        boolean set = (flags & VFIO_DEVICE_FEATURE_SET) != 0;
        return switch (index) {
            case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE -> migrationState(flags, data);
            case VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 -> get ? precopyInfo(data) : plain(flags, data);
            case VFIO_DEVICE_FEATURE_DMA_LOGGING_START -> startLogging(flags, data);
            case VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP -> stopLogging(flags, data);
            case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT -> reportLogged(flags, data);
            case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP -> {
                if (set) {
                    // Its number in the data would be one of this process's own descriptors.
                    throw new ErrnoException(EINVAL, what(flags) + " needs a descriptor, an eventfd");
                }
                yield plain(flags, data);
            }
            default -> plain(flags, data);
        };
    }

    /** Says what this interface does not have, whatever the kernel has. */
    private void checkIsThere(int flags) {
        int index = flags & VFIO_DEVICE_FEATURE_MASK;
        if (index == VFIO_DEVICE_FEATURE_DMA_BUF) {
            throw new ErrnoException(
                    ENOTTY, what(flags) + ": DMA_BUF answers with a descriptor, which is not handed over");
        }
        // The kernel might take data of a newer feature for a pointer or a descriptor of this process.
        if (index > LAST_KNOWN) {
            throw new ErrnoException(ENOTTY, what(flags) + ": the last one known is " + LAST_KNOWN);
        }
    }

    /** Takes over the descriptor. */
    void use(int flags, MemorySegment data, Fd descriptor) {
        try (descriptor;
                Arena arena = Arena.ofConfined()) {
            int wanted = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
            if (flags != wanted) {
                throw new ErrnoException(
                        EINVAL,
                        name + ": a descriptor with device feature flags 0x" + Integer.toHexString(flags)
                                + ", which take none");
            }
            require(data, LowPowerEntryWithWakeup.SIZEOF, flags);
            MemorySegment structure = structure(arena, flags, LowPowerEntryWithWakeup.SIZEOF);
            structure.set(JAVA_INT, DeviceFeature.DATA + LowPowerEntryWithWakeup.WAKEUP_EVENTFD, descriptor.value());
            call(structure);
        }
    }

    /** The device was reset: it runs. */
    void onReset() {
        stream.close();
    }

    private int migrationState(int flags, MemorySegment data) {
        require(data, FeatureMigState.SIZEOF, flags);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment structure = structure(arena, flags, FeatureMigState.SIZEOF);
            int asked = data.get(JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE);
            structure.set(JAVA_INT, DeviceFeature.DATA + FeatureMigState.DEVICE_STATE, asked);
            structure.set(JAVA_INT, DeviceFeature.DATA + FeatureMigState.DATA_FD, NO_FD);
            call(structure);
            boolean get = (flags & VFIO_DEVICE_FEATURE_GET) != 0;
            if (!get) {
                int number = structure.get(JAVA_INT, DeviceFeature.DATA + FeatureMigState.DATA_FD);
                stream.entered(VfioMigrationState.of(asked), number);
            }
            int state = structure.get(JAVA_INT, DeviceFeature.DATA + FeatureMigState.DEVICE_STATE);
            put(data, FeatureMigState.DEVICE_STATE, state);
            put(data, FeatureMigState.DATA_FD, NO_FD);
            return get ? FeatureMigState.SIZEOF : 0;
        }
    }

    private int precopyInfo(MemorySegment data) {
        require(data, PrecopyInfo.SIZEOF, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2);
        stream.precopyInfo(data);
        return PrecopyInfo.SIZEOF;
    }

    private int startLogging(int flags, MemorySegment data) {
        require(data, FeatureDmaLoggingControl.SIZEOF, flags);
        long count = Integer.toUnsignedLong(data.get(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES));
        long bytes = count * FeatureDmaLoggingControl.RANGE_SIZEOF;
        require(data, FeatureDmaLoggingControl.RANGES + bytes, flags);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ranges = arena.allocate(Math.max(bytes, 1), Long.BYTES);
            MemorySegment.copy(data, FeatureDmaLoggingControl.RANGES, ranges, 0, bytes);
            MemorySegment structure = structure(arena, flags, VfioKernel.FeatureDmaLoggingControl.SIZEOF);
            MemorySegment control = structure.asSlice(DeviceFeature.DATA);
            long page = data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE);
            control.set(JAVA_LONG, VfioKernel.FeatureDmaLoggingControl.PAGE_SIZE, page);
            control.set(JAVA_INT, VfioKernel.FeatureDmaLoggingControl.NUM_RANGES, (int) count);
            control.set(JAVA_LONG, VfioKernel.FeatureDmaLoggingControl.RANGES, ranges.address());
            call(structure);
            logging = true;
            if (!data.isReadOnly()) {
                long chosen = control.get(JAVA_LONG, VfioKernel.FeatureDmaLoggingControl.PAGE_SIZE);
                data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, chosen);
            }
            return 0;
        }
    }

    private int stopLogging(int flags, MemorySegment data) {
        plain(flags, data);
        logging = false;
        return 0;
    }

    private int reportLogged(int flags, MemorySegment data) {
        require(data, FeatureDmaLoggingReport.SIZEOF, flags);
        long length = data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.LENGTH);
        long page = data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.PAGE_SIZE);
        long bytes = DirtyPages.bitmapBytes(length, page);
        require(data, FeatureDmaLoggingReport.BITMAP + bytes, flags);
        DirtyPages asked = new DirtyPages(
                data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.IOVA),
                length,
                page,
                data.asSlice(FeatureDmaLoggingReport.BITMAP, bytes));
        report(flags, asked);
        return FeatureDmaLoggingReport.BITMAP + Math.toIntExact(bytes);
    }

    /** Asks which pages were written, and lets the device forget them. */
    void report(DirtyPages asked) {
        report(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, asked);
    }

    private void report(int flags, DirtyPages asked) {
        try (Arena arena = Arena.ofConfined()) {
            // The kernel sets bits, and clears none.
            MemorySegment bitmap = arena.allocate(asked.bitmap().byteSize(), Long.BYTES);
            MemorySegment structure = structure(arena, flags, VfioKernel.FeatureDmaLoggingReport.SIZEOF);
            MemorySegment question = structure.asSlice(DeviceFeature.DATA);
            question.set(JAVA_LONG, VfioKernel.FeatureDmaLoggingReport.IOVA, asked.iova());
            question.set(JAVA_LONG, VfioKernel.FeatureDmaLoggingReport.LENGTH, asked.sizeBytes());
            question.set(JAVA_LONG, VfioKernel.FeatureDmaLoggingReport.PAGE_SIZE, asked.pageSizeBytes());
            question.set(JAVA_LONG, VfioKernel.FeatureDmaLoggingReport.BITMAP, bitmap.address());
            call(structure);
            asked.bitmap().copyFrom(bitmap);
        }
    }

    /** A feature whose data are the same here and there. */
    private int plain(int flags, MemorySegment data) {
        try (Arena arena = Arena.ofConfined()) {
            int size = Math.toIntExact(data.byteSize());
            MemorySegment structure = structure(arena, flags, size);
            MemorySegment.copy(data, 0, structure, DeviceFeature.DATA, size);
            call(structure);
            if ((flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_PROBE)) != VFIO_DEVICE_FEATURE_GET) {
                return 0;
            }
            int came = Math.min(size, answerBytes(flags & VFIO_DEVICE_FEATURE_MASK, size));
            MemorySegment.copy(structure, DeviceFeature.DATA, data, 0, came);
            return came;
        }
    }

    /** The kernel does not tell how much it has written. */
    private static int answerBytes(int index, int otherwise) {
        return switch (index) {
            case VFIO_DEVICE_FEATURE_MIGRATION -> FeatureMigration.SIZEOF;
            case VFIO_DEVICE_FEATURE_MIG_DATA_SIZE -> FeatureMigDataSize.SIZEOF;
            default -> otherwise;
        };
    }

    private static MemorySegment structure(Arena arena, int flags, int size) {
        MemorySegment structure = arena.allocate(DeviceFeature.SIZEOF + size, Long.BYTES);
        structure.set(JAVA_INT, DeviceFeature.ARGSZ, DeviceFeature.SIZEOF + size);
        structure.set(JAVA_INT, DeviceFeature.FLAGS, flags);
        return structure;
    }

    private void call(MemorySegment structure) {
        try {
            kernel.call(VFIO_DEVICE_FEATURE, structure);
        } catch (ErrnoException e) {
            int flags = structure.get(JAVA_INT, DeviceFeature.FLAGS);
            throw new ErrnoException(e.errno(), what(flags));
        }
    }

    private static void put(MemorySegment data, long at, int value) {
        if (!data.isReadOnly()) {
            data.set(JAVA_INT_UNALIGNED, at, value);
        }
    }

    private void require(MemorySegment data, long needed, int flags) {
        if (data.byteSize() < needed) {
            throw new ErrnoException(
                    EINVAL, what(flags) + ": " + data.byteSize() + " bytes of data, " + needed + " needed");
        }
    }

    private String what(int flags) {
        return name + ": device feature " + (flags & VFIO_DEVICE_FEATURE_MASK) + " flags 0x"
                + Integer.toHexString(flags);
    }
}
