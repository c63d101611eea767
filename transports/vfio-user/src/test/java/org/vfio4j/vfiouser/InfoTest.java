package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_IRQ_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_IO_FDS;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** DEVICE_GET_INFO, GET_REGION_INFO, GET_REGION_IO_FDS and GET_IRQ_INFO: the rules of argsz, and what the replies hold. */
class InfoTest {

    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void refusesPayloadsThatAreShort() {
        for (int command = VFIO_USER_DEVICE_GET_INFO; command <= VFIO_USER_DEVICE_GET_IRQ_INFO; command++) {
            assertThat(served.errnoOf(RawMessage.command(command, new Payload().u64(64))))
                    .isEqualTo(EINVAL);
        }
    }

    @Test
    void refusesAnArgszThatIsSmall() {
        assertThat(served.errnoOf(info(VFIO_USER_DEVICE_GET_INFO, 8, 0))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(info(VFIO_USER_DEVICE_GET_IRQ_INFO, 8, 0))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(info(VFIO_USER_DEVICE_GET_REGION_IO_FDS, 8, 0)))
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(region(8, 0))).isEqualTo(EINVAL);
    }

    @Test
    void refusesIndicesThatAreNotThere() {
        for (int index : new int[] {9, 512, -1}) {
            assertThat(served.errnoOf(region(32, index))).isEqualTo(EINVAL);
            assertThat(served.errnoOf(info(VFIO_USER_DEVICE_GET_REGION_IO_FDS, 16, index)))
                    .isEqualTo(EINVAL);
        }
        for (int index : new int[] {5, -1}) {
            assertThat(served.errnoOf(info(VFIO_USER_DEVICE_GET_IRQ_INFO, 16, index)))
                    .isEqualTo(EINVAL);
        }
    }

    @Test
    void tellsWhatTheDeviceIs() {
        try (RawClient client = served.client()) {
            RawMessage reply = client.call(info(VFIO_USER_DEVICE_GET_INFO, 32, 0));
            assertThat(reply.size()).isEqualTo(32);
            assertThat(reply.u32(0)).isEqualTo(16);
            assertThat(reply.u32(4)).isEqualTo(3);
            assertThat(reply.u32(8)).isEqualTo(9);
            assertThat(reply.u32(12)).isEqualTo(5);
        }
    }

    @Test
    void tellsOfEachRegionInThirtyTwoBytesWhateverArgszIs() {
        try (RawClient client = served.client()) {
            for (int argsz : new int[] {32, 80, 4064, -1}) {
                RawMessage reply = client.call(region(argsz, 2));
                assertThat(reply.size()).isEqualTo(48);
                assertThat(reply.u32(0)).isEqualTo(32);
                assertThat(reply.u32(4)).isEqualTo(3);
                assertThat(reply.u32(8)).isEqualTo(2);
                assertThat(reply.u32(12)).isZero();
                assertThat(reply.u64(16)).isEqualTo(FakeDevice.BAR2_SIZE);
            }
            RawMessage unset = client.call(region(32, 1));
            assertThat(unset.u32(4)).isZero();
            assertThat(unset.u64(16)).isZero();
        }
    }

    @Test
    void tellsOfEachIrqIndex() {
        try (RawClient client = served.client()) {
            RawMessage reply = client.call(info(VFIO_USER_DEVICE_GET_IRQ_INFO, 64, 2));
            assertThat(reply.size()).isEqualTo(32);
            assertThat(reply.u32(0)).isEqualTo(16);
            assertThat(reply.u32(4) & 1).isEqualTo(1);
            assertThat(reply.u32(8)).isEqualTo(2);
            assertThat(reply.u32(12)).isEqualTo(FakeDevice.MSIX_VECTORS);
        }
    }

    @Test
    void hasNoDescriptorsForRegionIo() {
        try (RawClient client = served.client()) {
            RawMessage reply = client.call(info(VFIO_USER_DEVICE_GET_REGION_IO_FDS, 4096, 2));
            assertThat(reply.size()).isEqualTo(32);
            assertThat(reply.u32(0)).isEqualTo(16);
            assertThat(reply.u32(8)).isEqualTo(2);
            assertThat(reply.u32(12)).isZero();
            assertThat(client.takeFds()).isEmpty();
        }
        assertThat(served.errnoOf(info(VFIO_USER_DEVICE_GET_REGION_IO_FDS, 4096, 1)))
                .as("a region that does not exist")
                .isEqualTo(EINVAL);
        Payload flags = new Payload().u32(16).u32(1).u32(2).u32(0);
        Payload count = new Payload().u32(16).u32(0).u32(2).u32(1);
        Payload huge = new Payload().u32((1 << 20) + 1).u32(0).u32(2).u32(0);
        for (Payload bad : new Payload[] {flags, count, huge}) {
            assertThat(served.errnoOf(RawMessage.command(VFIO_USER_DEVICE_GET_REGION_IO_FDS, bad)))
                    .isEqualTo(EINVAL);
        }
    }

    private static RawMessage info(int command, int argsz, int index) {
        return RawMessage.command(
                command, new Payload().u32(argsz).u32(0).u32(index).u32(0));
    }

    private static RawMessage region(int argsz, int index) {
        return RawMessage.command(
                VFIO_USER_DEVICE_GET_REGION_INFO,
                new Payload().u32(argsz).u32(0).u32(index).u32(0).u64(0).u64(0));
    }
}
