package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_IO_FDS;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.VfioIoEventFd;

/** VFIO_USER_DEVICE_GET_REGION_IO_FDS: eventfds that stand for writes of registers. */
class IoFdsTest {

    private static final int ENTRY = 40;
    private static final int DATAMATCH = 1;

    private final Fd shared = EventFd.create();
    private final Fd single = EventFd.create();
    private final FakeDevice device = new FakeDevice();
    private final Served served = new Served(device);

    IoFdsTest() {
        List<VfioIoEventFd> entries = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            entries.add(new VfioIoEventFd(0x1000 + 8L * i, 4, DATAMATCH, 100 + i, shared));
        }
        entries.add(new VfioIoEventFd(0x2000, 2, 0, 0, single));
        entries.add(new VfioIoEventFd(0x3000, 0, 0, 0, Fd.none()));
        device.ioEventFds.put(2, entries);
    }

    @AfterEach
    void close() {
        served.close();
        shared.close();
        single.close();
    }

    @Test
    void refusesWhatIsMalformed() {
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_DEVICE_GET_REGION_IO_FDS, new byte[15])))
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(request(16, 1, 2, 0))).as("flags").isEqualTo(EINVAL);
        assertThat(served.errnoOf(request(16, 0, 2, 1))).as("count").isEqualTo(EINVAL);
        assertThat(served.errnoOf(request(15, 0, 2, 0))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(request((1 << 20) + 1, 0, 2, 0))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(request(-1, 0, 2, 0))).isEqualTo(EINVAL);
    }

    @Test
    void refusesRegionsThatAreNotThere() {
        for (int index : new int[] {1, 9, 512, -1}) {
            assertThat(served.errnoOf(request(4096, 0, index, 0))).isEqualTo(EINVAL);
        }
    }

    @Test
    void aRegionWithoutAnyHasAnEmptyList() {
        try (RawClient client = served.client()) {
            RawMessage reply = client.call(request(4096, 0, 0, 0));
            assertThat(reply.payload()).hasSize(16);
            assertThat(reply.u32(0)).isEqualTo(16);
            assertThat(reply.u32(12)).isZero();
            assertThat(client.takeFds()).isEmpty();
        }
    }

    @Test
    void aSmallArgszGetsTheSizeThatIsNeededAndNothingElse() {
        try (RawClient client = served.client()) {
            for (int argsz : new int[] {16, 56, 16 + 6 * ENTRY - 1}) {
                RawMessage reply = client.call(request(argsz, 0, 2, 0));
                assertThat(reply.payload()).hasSize(16);
                assertThat(reply.u32(0)).isEqualTo(16 + 6 * ENTRY);
                assertThat(reply.u32(8)).isEqualTo(2);
                assertThat(reply.u32(12)).isZero();
                assertThat(client.takeFds()).isEmpty();
            }
        }
    }

    @Test
    void eachDescriptorIsSentOnceAndEntriesSayWhichIsTheirs() {
        try (RawClient client = served.client()) {
            RawMessage reply = client.call(request(16 + 6 * ENTRY, 0, 2, 0));
            assertThat(reply.payload()).hasSize(16 + 6 * ENTRY);
            assertThat(reply.u32(0)).isEqualTo(16 + 6 * ENTRY);
            assertThat(reply.u32(4)).isZero();
            assertThat(reply.u32(8)).isEqualTo(2);
            assertThat(reply.u32(12)).isEqualTo(6);
            for (int i = 0; i < 4; i++) {
                assertEntry(reply, i, 0x1000 + 8L * i, 4, 0, DATAMATCH, 100 + i);
            }
            assertEntry(reply, 4, 0x2000, 2, 1, 0, 0);
            assertEntry(reply, 5, 0x3000, 0, -1, 0, 0);
            List<Fd> came = client.takeFds();
            assertThat(came).hasSize(2);
            EventFd.signal(came.get(1).value());
            assertThat(EventFd.drain(single.value()))
                    .as("it reaches the device")
                    .isEqualTo(1);
            came.forEach(Fd::close);
        }
    }

    @Test
    void leavesOutWhatAClientHasNoRoomForTheDescriptorsOf() {
        try (RawClient client = RawClient.connect(served.socket)) {
            client.negotiate("{\"capabilities\":{\"max_msg_fds\":1}}");
            RawMessage reply = client.call(request(4096, 0, 2, 0));
            assertThat(reply.u32(12)).isEqualTo(5);
            assertEntry(reply, 4, 0x3000, 0, -1, 0, 0);
            List<Fd> came = client.takeFds();
            assertThat(came).hasSize(1);
            came.forEach(Fd::close);
        }
        try (RawClient client = RawClient.connect(served.socket)) {
            client.negotiate("{\"capabilities\":{\"max_msg_fds\":0}}");
            assertThat(client.call(request(4096, 0, 2, 0)).u32(12)).isEqualTo(1);
            assertThat(client.takeFds()).isEmpty();
        }
    }

    @Test
    void theClientGetsThemAllAndAsksOnce() {
        Leaks before = Leaks.snapshot();
        try (VfioUserClient driver = served.driver()) {
            List<VfioIoEventFd> found = driver.ioEventFds(2);
            assertThat(found).hasSize(6);
            assertThat(found.get(3).offset()).isEqualTo(0x1018);
            assertThat(found.get(3).datamatch()).isEqualTo(103);
            assertThat(found.get(3).flags()).isEqualTo(DATAMATCH);
            assertThat(found.get(3).fd()).isSameAs(found.get(0).fd());
            assertThat(found.get(4).sizeBytes()).isEqualTo(2);
            assertThat(found.get(5).fd().isOpen()).isFalse();
            assertThat(driver.ioEventFds(2)).isSameAs(found);
            EventFd.signal(found.get(0).fd().value());
            assertThat(EventFd.drain(shared.value())).isEqualTo(1);
            assertThat(driver.ioEventFds(0)).isEmpty();
        }
        before.assertNone();
    }

    @Test
    void theClientAsksAgainWhenThereAreMoreThanItExpected() {
        List<VfioIoEventFd> many = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            many.add(new VfioIoEventFd(8L * i, 4, 0, i, shared));
        }
        device.ioEventFds.put(0, many);
        try (VfioUserClient driver = served.driver()) {
            assertThat(driver.ioEventFds(0)).hasSize(500);
            assertThat(driver.ioEventFds(0).get(499).datamatch()).isEqualTo(499);
        }
    }

    private static void assertEntry(
            RawMessage reply, int i, long offset, long size, int fdIndex, int flags, long match) {
        int at = 16 + i * ENTRY;
        assertThat(reply.u64(at)).isEqualTo(offset);
        assertThat(reply.u64(at + 8)).isEqualTo(size);
        assertThat(reply.u32(at + 16)).isEqualTo(fdIndex);
        assertThat(reply.u32(at + 20)).as("type").isZero();
        assertThat(reply.u32(at + 24)).isEqualTo(flags);
        assertThat(reply.u32(at + 28)).as("padding").isZero();
        assertThat(reply.u64(at + 32)).isEqualTo(match);
    }

    private static RawMessage request(int argsz, int flags, int index, int count) {
        return RawMessage.command(
                VFIO_USER_DEVICE_GET_REGION_IO_FDS,
                new Payload().u32(argsz & 0xffff_ffffL).u32(flags).u32(index).u32(count));
    }
}
