package org.vfio4j.mtty;

import static org.vfio4j.uapi.Vfio.*;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioMigrationState;

/** A user of an mdev, who drives its ports by hand and moves its state. */
record Port(VfioDeviceFile file) {

    static final int DATA = 0;
    static final int FCR = 2;
    static final int MCR = 4;
    static final int LSR = 5;
    static final int MSR = 6;
    static final int SCR = 7;

    int read(int bar, int register) {
        MemorySegment data = MemorySegment.ofArray(new byte[1]);
        file.read(bar, register, data, 0, 1);
        return data.get(ValueLayout.JAVA_BYTE, 0) & 0xff;
    }

    void write(int bar, int register, int value) {
        file.write(bar, register, MemorySegment.ofArray(new byte[] {(byte) value}), 0, 1);
    }

    void send(int bar, String text) {
        for (byte b : text.getBytes(StandardCharsets.US_ASCII)) {
            write(bar, DATA, b);
        }
    }

    /** What has come, until there is no more. */
    String received(int bar) {
        StringBuilder text = new StringBuilder();
        while ((read(bar, LSR) & 1) != 0) {
            text.append((char) read(bar, DATA));
        }
        return text.toString();
    }

    void go(VfioMigrationState state) {
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        data.set(ValueLayout.JAVA_INT_UNALIGNED, 0, state.ordinal());
        data.set(ValueLayout.JAVA_INT_UNALIGNED, 4, -1);
        file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
    }

    VfioMigrationState state() {
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
        return VfioMigrationState.of(data.get(ValueLayout.JAVA_INT_UNALIGNED, 0));
    }

    /** Up to {@code most} bytes of its state. */
    byte[] take(int most) {
        MemorySegment buffer = MemorySegment.ofArray(new byte[most]);
        int count = file.migrationRead(buffer, 0, most);
        return Arrays.copyOf(buffer.toArray(ValueLayout.JAVA_BYTE), count);
    }

    /** All of its state to the end, in small pieces. */
    byte[] takeAll() {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] piece = take(7); piece.length != 0; piece = take(7)) {
            all.writeBytes(piece);
        }
        return all.toByteArray();
    }

    void give(byte[] bytes) {
        file.migrationWrite(MemorySegment.ofArray(bytes), 0, bytes.length);
    }
}
