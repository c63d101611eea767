package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_REGION_INFO;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.uapi.VfioUser;

/** Accesses to regions, with a file for the device's descriptor. */
class DeviceRegionsTest {

    private static final int SIZE = 0x5000;
    private static final int POSITION = 0x10000;

    private final Fd device = MemFd.create("device", POSITION + SIZE);
    private final FakeKernel kernel = new FakeKernel()
            .on(VFIO_DEVICE_GET_INFO, answer -> answer.set(JAVA_INT, VfioUser.DeviceInfo.NUM_REGIONS, 2))
            .on(VFIO_DEVICE_GET_REGION_INFO, answer -> {
                int index = answer.get(JAVA_INT, VfioUser.RegionInfo.INDEX);
                int flags = index == 0
                        ? Vfio.VFIO_REGION_INFO_FLAG_READ | Vfio.VFIO_REGION_INFO_FLAG_WRITE
                        : Vfio.VFIO_REGION_INFO_FLAG_READ;
                answer.set(JAVA_INT, VfioUser.RegionInfo.FLAGS, flags);
                answer.set(JAVA_LONG, VfioUser.RegionInfo.SIZE, index == 0 ? SIZE : 2 * SIZE);
                answer.set(JAVA_LONG, VfioUser.RegionInfo.OFFSET, POSITION);
            });
    private final DeviceRegions regions = new DeviceRegions("0000:00:04.0", device, new DeviceInfo("", kernel));
    private final MemorySegment buffer = MemorySegment.ofArray(new byte[2 * SIZE]);

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void rejectsReadsPastTheEnd() {
        assertThatThrownBy(() -> regions.read(0, SIZE - 2, buffer, 0, 4))
                .hasMessage(
                        "0000:00:04.0: read of 4 bytes at 0x4ffe of region 0, size 0x5000, flags 0x3: EINVAL (Invalid"
                                + " argument)");
        assertThatThrownBy(() -> regions.read(0, -1, buffer, 0, 4)).hasMessageContaining("EINVAL");
        assertThatThrownBy(() -> regions.read(0, Long.MAX_VALUE, buffer, 0, 4)).hasMessageContaining("EINVAL");
        assertThatThrownBy(() -> regions.read(2, 0, buffer, 0, 4)).hasMessageContaining("region 2 of 2");
    }

    @Test
    void rejectsWritesToARegionThatIsOnlyRead() {
        assertThatThrownBy(() -> regions.write(1, 0, buffer, 0, 4)).hasMessageContaining("write of 4 bytes");
    }

    @Test
    void rejectsBuffersThatAreTooShort() {
        assertThatThrownBy(() -> regions.read(0, 0, buffer, 2 * SIZE - 2, 4))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void anEndThatComesEarlyIsAnError() {
        assertThatThrownBy(() -> regions.read(1, SIZE, buffer, 0, 4))
                .hasMessage("0000:00:04.0: read of 4 bytes at 0x5000 of region 1: EIO (Input/output error)");
    }

    @Test
    void readsWhatWasWrittenWhereverItBegins() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(SIZE);
            for (int i = 0; i < SIZE; i++) {
                out.set(JAVA_BYTE, i, (byte) ((i * 31) >> 3));
            }
            regions.write(0, 3, out, 1, SIZE - 3);
            regions.read(0, 3, buffer, 5, SIZE - 3);
            assertThat(buffer.asSlice(5, SIZE - 3).mismatch(out.asSlice(1, SIZE - 3)))
                    .isEqualTo(-1);
        }
    }

    @Test
    void countZeroIsNoAccess() {
        regions.read(1, 99 * SIZE, buffer, 0, 0);
    }
}
