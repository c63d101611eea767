package org.vfio4j.mlx5vfiopci;

import static org.vfio4j.uapi.Vfio.*;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioPrecopyInfo;

/** What a virtual machine monitor does with an open device to migrate it. */
final class Vmm {

    private static final int CHUNK = 1 << 16;

    private Vmm() {}

    static void go(VfioDeviceFile file, VfioMigrationState state) {
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureMigState.SIZEOF]);
        data.set(ValueLayout.JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE, state.ordinal());
        data.set(ValueLayout.JAVA_INT_UNALIGNED, FeatureMigState.DATA_FD, -1);
        file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
    }

    static VfioMigrationState state(VfioDeviceFile file) {
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureMigState.SIZEOF]);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
        return VfioMigrationState.of(data.get(ValueLayout.JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE));
    }

    static long stopCopyLength(VfioDeviceFile file) {
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureMigDataSize.SIZEOF]);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, data);
        return data.get(ValueLayout.JAVA_LONG_UNALIGNED, FeatureMigDataSize.STOP_COPY_LENGTH);
    }

    /** Everything that there is to read now. */
    static byte[] readAll(VfioDeviceFile file) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        byte[] chunk = new byte[CHUNK];
        try {
            int count = file.migrationRead(MemorySegment.ofArray(chunk), 0, CHUNK);
            while (count > 0) {
                all.write(chunk, 0, count);
                count = file.migrationRead(MemorySegment.ofArray(chunk), 0, CHUNK);
            }
        } catch (ErrnoException e) {
            if (e.errno() != Errno.ENOMSG) {
                throw e;
            }
        }
        return all.toByteArray();
    }

    static void writeAll(VfioDeviceFile file, byte[] stream) {
        file.migrationWrite(MemorySegment.ofArray(stream), 0, stream.length);
    }

    static VfioPrecopyInfo precopyInfo(VfioDeviceFile file) {
        return VfioPrecopyInfo.of(file);
    }

    /** Stops the device and reads its state. */
    static byte[] save(VfioDeviceFile file) {
        go(file, VfioMigrationState.STOP_COPY);
        return readAll(file);
    }
}
