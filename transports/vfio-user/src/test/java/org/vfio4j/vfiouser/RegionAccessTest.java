package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE_MULTI;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** REGION_READ, REGION_WRITE, REGION_WRITE_MULTI (vfio-user specification, "Read and Write Operations"). */
class RegionAccessTest {

    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void refusesShortPayloads() {
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_REGION_READ, new byte[8])))
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_REGION_WRITE, new byte[8])))
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_REGION_WRITE_MULTI, new byte[7])))
                .isEqualTo(EINVAL);
    }

    @Test
    void refusesRangesOutsideTheRegion() {
        assertThat(served.errnoOf(read(-1, 0, 4))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(read(FakeDevice.BAR0_SIZE - 3, 0, 4))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(write(FakeDevice.BAR0_SIZE, 0, 4, new byte[4])))
                .isEqualTo(EINVAL);
    }

    @Test
    void refusesRegionsThatAreNotThere() {
        for (int region : new int[] {1, 9, 512, -1}) {
            assertThat(served.errnoOf(read(0, region, 4))).isEqualTo(EINVAL);
            assertThat(served.errnoOf(write(0, region, 4, new byte[4]))).isEqualTo(EINVAL);
        }
    }

    @Test
    void refusesCountsAboveTheLimit() {
        for (int count : new int[] {(1 << 20) + 1, -1, Integer.MIN_VALUE}) {
            assertThat(served.errnoOf(read(0, 2, count))).isEqualTo(EINVAL);
            assertThat(served.errnoOf(write(0, 2, count, new byte[4]))).isEqualTo(EINVAL);
        }
    }

    @Test
    void refusesDataThatIsNotAsLongAsTheCount() {
        assertThat(served.errnoOf(write(0, 0, 4, new byte[3]))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(write(0, 0, 4, new byte[5]))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(write(0, 0, 0, new byte[1]))).isEqualTo(EINVAL);
        assertThat(served.device.writes).hasValue(0);
    }

    @Test
    void countZeroReadsAndWritesNothing() {
        try (RawClient client = served.client()) {
            assertThat(client.call(read(0, 0, 0)).payload()).hasSize(16);
            assertThat(client.call(write(0, 0, 0, new byte[0])).isError()).isFalse();
        }
    }

    @Test
    void repliesRepeatTheRequestsFields() {
        try (RawClient client = served.client()) {
            served.device.bar0.set(JAVA_INT, 0x20, 0x55aa1234);
            RawMessage read = client.call(read(0x20, 0, 4));
            assertThat(read.payload()).hasSize(20);
            assertThat(read.u64(0)).isEqualTo(0x20);
            assertThat(read.u32(8)).isZero();
            assertThat(read.u32(12)).isEqualTo(4);
            assertThat(read.u32(16)).isEqualTo(0x55aa1234);
            RawMessage write = client.call(write(0x24, 0, 4, new byte[] {1, 2, 3, 4}));
            assertThat(write.payload()).hasSize(16);
            assertThat(write.u64(0)).isEqualTo(0x24);
            assertThat(write.u32(12)).isEqualTo(4);
            assertThat(served.device.bar0.get(JAVA_INT, 0x24)).isEqualTo(0x04030201);
        }
    }

    @Test
    void writesSeveralInOneMessage() {
        try (RawClient client = served.client()) {
            Payload payload = new Payload().u64(2);
            payload.u64(8).u32(0).u32(4).u64(0x11111111);
            payload.u64(16).u32(0).u32(8).u64(0x2222222222222222L);
            RawMessage reply = client.call(RawMessage.command(VFIO_USER_REGION_WRITE_MULTI, payload));
            assertThat(reply.payload()).hasSize(8);
            assertThat(reply.u64(0)).isEqualTo(2);
            assertThat(served.device.bar0.get(JAVA_LONG, 8)).isEqualTo(0x11111111L);
            assertThat(served.device.bar0.get(JAVA_LONG, 16)).isEqualTo(0x2222222222222222L);
        }
    }

    @Test
    void refusesSeveralWritesThatAreMalformed() {
        Payload tooFew = new Payload().u64(2).u64(0).u32(0).u32(4).u64(0);
        Payload tooMany = new Payload().u64(0).u64(0).u32(0).u32(4).u64(0);
        Payload absurd = new Payload().u64(-1).u64(0).u32(0).u32(4).u64(0);
        Payload overflowing =
                new Payload().u64(0x0aaa_aaaa_aaaa_aaabL).u64(0).u32(0).u32(4).u64(0);
        Payload wide = new Payload().u64(1).u64(0).u32(0).u32(9).u64(0);
        Payload outside = new Payload().u64(1).u64(-1).u32(0).u32(4).u64(0);
        for (Payload bad : new Payload[] {tooFew, tooMany, absurd, overflowing, wide, outside}) {
            assertThat(served.errnoOf(RawMessage.command(VFIO_USER_REGION_WRITE_MULTI, bad)))
                    .isEqualTo(EINVAL);
        }
        assertThat(served.device.writes).hasValue(0);
    }

    @Test
    void ofSeveralWritesThoseBeforeTheOneThatFailsAreDone() {
        Payload payload = new Payload().u64(3);
        payload.u64(8).u32(0).u32(4).u64(1);
        payload.u64(8).u32(1).u32(4).u64(2);
        payload.u64(12).u32(0).u32(4).u64(3);
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_REGION_WRITE_MULTI, payload)))
                .isEqualTo(EINVAL);
        assertThat(served.device.bar0.get(JAVA_INT, 8)).isEqualTo(1);
        assertThat(served.device.bar0.get(JAVA_INT, 12)).isZero();
    }

    @Test
    void theClientWritesManyAtOnceInOrder() {
        List<RegionWrite> writes = new ArrayList<>();
        for (int i = 0; i < 450; i++) {
            writes.add(new RegionWrite(0, 16 + 8L * (i % 400), 1 + i % 8, 0x0101010101010101L * (i & 0x7f)));
        }
        for (boolean posted : new boolean[] {false, true}) {
            served.device.bar0.fill((byte) 0);
            VfioUserClientOptions options = VfioUserClientOptions.DEFAULTS.withPostedWrites(posted);
            try (VfioUserClient driver = VfioUserClient.connect(served.socket, options)) {
                driver.writeAll(writes);
                driver.writeAll(List.of());
                // A reply: what was posted before is done.
                driver.info();
                for (int i = 50; i < 450; i++) {
                    long mask = -1L >>> (64 - 8 * (1 + i % 8));
                    long expected = writes.get(i).value() & mask;
                    assertThat(served.device.bar0.get(JAVA_LONG, 16 + 8L * (i % 400)) & mask)
                            .isEqualTo(expected);
                }
            }
        }
        assertThat(served.server.statistics().messages())
                .as("three batches each time")
                .isLessThan(20);
    }

    static RawMessage read(long offset, int region, int count) {
        return RawMessage.command(
                VFIO_USER_REGION_READ, new Payload().u64(offset).u32(region).u32(count));
    }

    static RawMessage write(long offset, int region, int count, byte[] data) {
        return RawMessage.command(
                VFIO_USER_REGION_WRITE,
                new Payload().u64(offset).u32(region).u32(count).bytes(data));
    }
}
