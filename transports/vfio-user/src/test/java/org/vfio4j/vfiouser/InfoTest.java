package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_IRQ_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIrqInfo;

/** DEVICE_GET_INFO, GET_REGION_INFO and GET_IRQ_INFO: the rules of argsz, and what the replies hold. */
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
        assertThat(served.errnoOf(region(8, 0))).isEqualTo(EINVAL);
    }

    @Test
    void refusesIndicesThatAreNotThere() {
        for (int index : new int[] {9, 512, -1}) {
            assertThat(served.errnoOf(region(32, index))).isEqualTo(EINVAL);
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
    void capabilitiesOfADeviceAndAnIrqFollowTheStructure() {
        VfioInfoCapability one = new VfioInfoCapability(1, 3, new byte[] {1, 2, 3, 4});
        VfioInfoCapability two = new VfioInfoCapability(2, 1, new byte[8]);
        FakeDevice device = new FakeDevice();
        device.capabilities = List.of(one, two);
        device.moreIrqs = List.of(new VfioIrqInfo(5, 1, 3, List.of(two)));
        try (Served other = new Served(device);
                RawClient client = other.client()) {
            RawMessage small = client.call(info(VFIO_USER_DEVICE_GET_INFO, 55, 0));
            assertThat(small.payload()).as("as it is without capabilities").hasSize(16);
            assertThat(small.u32(0)).isEqualTo(24 + 16 + 16);
            assertThat(small.u32(4)).isEqualTo(3);
            RawMessage all = client.call(info(VFIO_USER_DEVICE_GET_INFO, 56, 0));
            assertThat(all.payload()).hasSize(56);
            assertThat(all.u32(0)).isEqualTo(56);
            assertThat(all.u32(4)).isEqualTo(3 | 1 << 7);
            assertThat(all.u32(12)).isEqualTo(6);
            assertThat(all.u64(16)).isEqualTo(24);
            assertThat(all.u32(24)).isEqualTo(3 << 16 | 1);
            assertThat(all.u32(28)).isEqualTo(40);
            assertThat(all.u64(32)).isEqualTo(0x04030201L);
            assertThat(all.u32(44)).isZero();

            assertThat(client.call(info(VFIO_USER_DEVICE_GET_IRQ_INFO, 16, 5)).u32(0))
                    .isEqualTo(40);
            RawMessage irq = client.call(info(VFIO_USER_DEVICE_GET_IRQ_INFO, 40, 5));
            assertThat(irq.payload()).hasSize(40);
            assertThat(irq.u32(4)).isEqualTo(1 | 1 << 4);
            assertThat(irq.u32(12)).isEqualTo(3);
            assertThat(irq.u32(16)).isEqualTo(24);
            assertThat(irq.u32(24)).isEqualTo(1 << 16 | 2);
            client.close();
            try (VfioUserClient driver = other.driver()) {
                assertThat(driver.info().capabilities().get(1)).isEqualTo(two);
                assertThat(driver.info().flags()).isEqualTo(3);
                assertThat(driver.irqInfo(5)).isEqualTo(device.moreIrqs.getFirst());
                assertThat(driver.irqInfo(4).capabilities()).isEmpty();
            }
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
