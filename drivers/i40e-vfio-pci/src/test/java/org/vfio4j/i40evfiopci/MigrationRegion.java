package org.vfio4j.i40evfiopci;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_NUM_REGIONS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_SUBTYPE_MIGRATION;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_TYPE_MIGRATION;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.uapi.Vfio.DeviceMigrationInfo;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Type;

/** A monitor's side of migration v1. */
final class MigrationRegion {

    private final VfioDeviceFile device;
    private final int index;
    private final MemorySegment scratch = Arena.ofAuto().allocate(1 << 17, 8);

    /** Finds the region by its type. */
    MigrationRegion(VfioDeviceFile device) {
        this.device = device;
        int found = -1;
        for (int i = VFIO_PCI_NUM_REGIONS; i < device.info().numRegions(); i++) {
            Type type = VfioRegionCapabilities.type(device.regionInfo(i).capabilities())
                    .orElseThrow();
            if (type.equals(new Type(VFIO_REGION_TYPE_MIGRATION, VFIO_REGION_SUBTYPE_MIGRATION))) {
                found = i;
            }
        }
        index = found;
    }

    int state() {
        device.read(index, DeviceMigrationInfo.DEVICE_STATE, scratch, 0, Integer.BYTES);
        return scratch.get(JAVA_INT_UNALIGNED, 0);
    }

    void setState(int state) {
        scratch.set(JAVA_INT_UNALIGNED, 0, state);
        device.write(index, DeviceMigrationInfo.DEVICE_STATE, scratch, 0, Integer.BYTES);
    }

    long register(int offset) {
        device.read(index, offset, scratch, 0, Long.BYTES);
        return scratch.get(JAVA_LONG_UNALIGNED, 0);
    }

    void setRegister(int offset, long value) {
        scratch.set(JAVA_LONG_UNALIGNED, 0, value);
        device.write(index, offset, scratch, 0, Long.BYTES);
    }

    byte[] save() {
        ByteArrayOutputStream state = new ByteArrayOutputStream();
        while (register(DeviceMigrationInfo.PENDING_BYTES) > 0) {
            long at = register(DeviceMigrationInfo.DATA_OFFSET);
            int size = (int) register(DeviceMigrationInfo.DATA_SIZE);
            device.read(index, at, scratch, 0, size);
            state.writeBytes(scratch.asSlice(0, size).toArray(JAVA_BYTE));
        }
        return state.toByteArray();
    }

    /** Writes the state in pieces of this many bytes. */
    void load(byte[] state, int piece) {
        for (int from = 0; from < state.length; from += piece) {
            int size = Math.min(piece, state.length - from);
            long at = register(DeviceMigrationInfo.DATA_OFFSET);
            MemorySegment.copy(state, from, scratch, JAVA_BYTE, 0, size);
            device.write(index, at, scratch, 0, size);
            setRegister(DeviceMigrationInfo.DATA_SIZE, size);
        }
    }
}
