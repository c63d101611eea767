package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/** VFIO_USER_DEVICE_GET_REGION_INFO of regions that can be mapped or have capabilities; plain ones are InfoTest's. */
class RegionInfoTest {

    private static final int READ_WRITE = 3;
    private static final int MMAP = 4;
    private static final int CAPS = 8;
    private static final List<Area> AREAS = List.of(new Area(0x1000, 0x1000), new Area(0x3000, 0x1000));

    private final Fd memory = MemFd.create("bar", 0x10000);
    private final FakeDevice device = new FakeDevice();
    private final Served served;

    RegionInfoTest() {
        device.regionInfos.put(
                0,
                new VfioRegionInfo(
                        0, READ_WRITE | MMAP, FakeDevice.BAR0_SIZE, List.of(VfioRegionCapabilities.sparseMmap(AREAS))));
        device.regionMemories.put(0, new VfioRegionMemory(memory, 0x8000));
        device.regionInfos.put(2, new VfioRegionInfo(2, READ_WRITE | MMAP, FakeDevice.BAR2_SIZE));
        device.regionMemories.put(2, new VfioRegionMemory(memory, 0));
        device.regionInfos.put(
                8, new VfioRegionInfo(8, READ_WRITE, 0x1000, List.of(VfioRegionCapabilities.type(0x8000_8086, 1))));
        served = new Served(device);
    }

    @AfterEach
    void close() {
        served.close();
        memory.close();
    }

    @Test
    void aSmallArgszGetsTheSizeThatIsNeededAndNeitherCapabilitiesNorDescriptor() {
        try (RawClient client = served.client()) {
            for (int argsz : new int[] {32, 33, 79}) {
                RawMessage reply = client.call(region(argsz, 0));
                assertThat(reply.payload()).hasSize(32);
                assertThat(reply.u32(0)).isEqualTo(80);
                assertThat(reply.u32(4)).isEqualTo(READ_WRITE | MMAP);
                assertThat(reply.u32(12)).isZero();
                assertThat(client.takeFds()).isEmpty();
            }
        }
    }

    @Test
    void sparseAreasComeInlineWithExactlyOneDescriptor() {
        for (int argsz : new int[] {80, 4064, -1}) {
            try (RawClient client = served.client()) {
                RawMessage reply = client.call(region(argsz, 0));
                assertThat(reply.payload()).hasSize(80);
                assertThat(reply.u32(0)).isEqualTo(80);
                assertThat(reply.u32(4)).isEqualTo(READ_WRITE | MMAP | CAPS);
                assertThat(reply.u32(12)).isEqualTo(32);
                assertThat(reply.u64(16)).isEqualTo(FakeDevice.BAR0_SIZE);
                assertThat(reply.u64(24)).isEqualTo(0x8000);
                assertThat(reply.u32(32)).as("id 1 version 1").isEqualTo(1 << 16 | 1);
                assertThat(reply.u32(36)).as("next").isZero();
                assertThat(reply.u64(40)).as("areas").isEqualTo(2);
                assertThat(reply.u64(48)).isEqualTo(0x1000);
                assertThat(reply.u64(56)).isEqualTo(0x1000);
                assertThat(reply.u64(64)).isEqualTo(0x3000);
                assertThat(reply.u64(72)).isEqualTo(0x1000);
                assertIsTheMemory(client.takeFds());
            }
        }
    }

    @Test
    void aRegionThatIsMappedAsAWholeHasADescriptorAndNoCapabilities() {
        try (RawClient client = served.client()) {
            RawMessage reply = client.call(region(32, 2));
            assertThat(reply.payload()).hasSize(32);
            assertThat(reply.u32(0)).isEqualTo(32);
            assertThat(reply.u32(4)).isEqualTo(READ_WRITE | MMAP);
            assertIsTheMemory(client.takeFds());
        }
    }

    @Test
    void aClientThatTakesNoDescriptorsIsToldOfNoMemory() {
        try (RawClient client = RawClient.connect(served.socket)) {
            client.negotiate("{\"capabilities\":{\"max_msg_fds\":0}}");
            RawMessage reply = client.call(region(4096, 0));
            assertThat(reply.u32(4)).isEqualTo(READ_WRITE | CAPS);
            assertThat(client.call(region(32, 2)).u32(4)).isEqualTo(READ_WRITE);
            assertThat(client.takeFds()).isEmpty();
        }
    }

    @Test
    void aDeviceSpecificRegionSaysWhatItIs() {
        try (VfioUserClient driver = served.driver()) {
            VfioRegionInfo info = driver.regionInfo(8);
            assertThat(info.flags()).isEqualTo(READ_WRITE);
            assertThat(VfioRegionCapabilities.type(info.capabilities()))
                    .contains(new VfioRegionCapabilities.Type(0x8000_8086, 1));
        }
    }

    @Test
    void repliesThatTheSocketDoesNotTakeKeepTheirDescriptors() {
        Leaks before = Leaks.snapshot();
        try (RawClient client = served.client()) {
            // Replies of a region's whole content fill the socket; what follows them waits in the server.
            byte[] large = RegionAccessTest.read(0, 2, 1 << 20).toBytes();
            for (int i = 0; i < 3; i++) {
                client.send(large);
            }
            for (int i = 0; i < 20; i++) {
                client.send(region(80, 0));
            }
            for (int i = 0; i < 3; i++) {
                assertThat(client.receive().size()).isGreaterThan(1 << 20);
            }
            int descriptors = 0;
            for (int i = 0; i < 20; i++) {
                assertThat(client.receive().payload()).hasSize(80);
                List<Fd> came = client.takeFds();
                descriptors += came.size();
                came.forEach(Fd::close);
            }
            assertThat(descriptors).isEqualTo(20);
        }
        before.assertNone();
    }

    @Test
    void aClientThatLeavesWithoutReadingLeavesNoDescriptorsBehind() {
        Leaks before = Leaks.snapshot();
        try (RawClient client = served.client()) {
            client.send(RegionAccessTest.read(0, 2, 1 << 20));
            for (int i = 0; i < 50; i++) {
                client.send(region(80, 0));
            }
        }
        before.assertNone();
    }

    @Test
    void theClientGetsTheMemoryAndKeepsOneDescriptorOfIt() {
        try (VfioUserClient driver = served.driver()) {
            assertThat(VfioRegionCapabilities.sparseAreas(driver.regionInfo(0).capabilities()))
                    .contains(AREAS);
            VfioRegionMemory first = driver.regionMemory(0).orElseThrow();
            Leaks warm = Leaks.snapshot();
            VfioRegionMemory second = driver.regionMemory(0).orElseThrow();
            assertThat(second.fd()).isSameAs(first.fd());
            assertThat(second.offset()).isEqualTo(0x8000);
            assertThat(FileStat.of(second.fd()).isSameFile(FileStat.of(memory))).isTrue();
            assertThat(driver.regionMemory(7)).isEmpty();
            warm.assertNone();
            driver.close();
            assertThat(first.fd().isOpen()).isFalse();
        }
    }

    private void assertIsTheMemory(List<Fd> came) {
        assertThat(came).hasSize(1);
        assertThat(FileStat.of(came.getFirst()).isSameFile(FileStat.of(memory))).isTrue();
        came.forEach(Fd::close);
    }

    private static RawMessage region(int argsz, int index) {
        return RawMessage.command(
                VFIO_USER_DEVICE_GET_REGION_INFO,
                new Payload()
                        .u32(argsz & 0xffff_ffffL)
                        .u32(0)
                        .u32(index)
                        .u32(0)
                        .u64(0)
                        .u64(0));
    }
}
