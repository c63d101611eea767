package org.vfio4j.vfiopcicore;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_CLEAR_MASTER;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET_MASTER;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFeature;

/** {@code VFIO_DEVICE_FEATURE_BUS_MASTER}: turns bus master on or off, for users that do not know PCI's registers. */
final class BusMasterFeature implements VfioDeviceFeature {

    private final CommandRegister command;

    BusMasterFeature(CommandRegister command) {
        this.command = command;
    }

    @Override
    public int operations() {
        return VFIO_DEVICE_FEATURE_SET;
    }

    @Override
    public int sizeBytes() {
        return Integer.BYTES;
    }

    @Override
    public int get(MemorySegment data) {
        throw new IllegalStateException("no operation of this feature");
    }

    /** @param data u32 op */
    @Override
    public void set(MemorySegment data) {
        int op = data.get(JAVA_INT_UNALIGNED, 0);
        if (op != VFIO_DEVICE_FEATURE_CLEAR_MASTER && op != VFIO_DEVICE_FEATURE_SET_MASTER) {
            throw new ErrnoException(EINVAL, "device feature BUS_MASTER: op " + Integer.toUnsignedLong(op));
        }
        command.setMaster(op == VFIO_DEVICE_FEATURE_SET_MASTER);
    }
}
