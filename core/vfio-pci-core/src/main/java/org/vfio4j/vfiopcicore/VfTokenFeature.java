package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.UUID;
import org.vfio4j.vfio.VfioDeviceFeature;

/** {@code VFIO_DEVICE_FEATURE_PCI_VF_TOKEN}: the physical function's user sets the token. It cannot be read back. */
final class VfTokenFeature implements VfioDeviceFeature {

    private static final int UUID_BYTES = 16;

    // As it is printed: RFC 9562, 4.
    private static final ValueLayout.OfLong HALF = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final VfToken token;

    VfTokenFeature(VfToken token) {
        this.token = token;
    }

    @Override
    public int operations() {
        return VFIO_DEVICE_FEATURE_SET;
    }

    @Override
    public int sizeBytes() {
        return UUID_BYTES;
    }

    @Override
    public int get(MemorySegment data) {
        throw new IllegalStateException("no operation of this feature");
    }

    /** @param data u8 uuid[16] */
    @Override
    public void set(MemorySegment data) {
        token.set(new UUID(data.get(HALF, 0), data.get(HALF, Long.BYTES)));
    }
}
