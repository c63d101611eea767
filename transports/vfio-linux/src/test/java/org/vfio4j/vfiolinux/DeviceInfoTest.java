package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_IRQ_INFO;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_REGION_INFO;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.uapi.VfioUser;
import org.vfio4j.vfio.VfioCapabilityChain;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;

/** Questions about a device, with answers as the kernel gives them. */
class DeviceInfoTest {

    private static final int REGIONS = 9;
    private static final int IRQS = 5;

    private final FakeKernel kernel = new FakeKernel()
            .on(VFIO_DEVICE_GET_INFO, answer -> {
                answer.set(JAVA_INT, VfioUser.DeviceInfo.ARGSZ, VfioUser.DeviceInfo.SIZEOF);
                answer.set(JAVA_INT, VfioUser.DeviceInfo.FLAGS, Vfio.VFIO_DEVICE_FLAGS_PCI);
                answer.set(JAVA_INT, VfioUser.DeviceInfo.NUM_REGIONS, REGIONS);
                answer.set(JAVA_INT, VfioUser.DeviceInfo.NUM_IRQS, IRQS);
            })
            .on(VFIO_DEVICE_GET_REGION_INFO, answer -> region(answer, List.of()))
            .on(VFIO_DEVICE_GET_IRQ_INFO, answer -> {
                int index = answer.get(JAVA_INT, VfioUser.IrqInfo.INDEX);
                answer.set(JAVA_INT, VfioUser.IrqInfo.FLAGS, Vfio.VFIO_IRQ_INFO_EVENTFD);
                answer.set(JAVA_INT, VfioUser.IrqInfo.COUNT, index + 1);
            });

    private static void region(MemorySegment answer, List<VfioInfoCapability> capabilities) {
        int index = answer.get(JAVA_INT, VfioUser.RegionInfo.INDEX);
        int needed = VfioUser.RegionInfo.SIZEOF + VfioCapabilityChain.sizeBytes(capabilities);
        answer.set(
                JAVA_INT,
                VfioUser.RegionInfo.FLAGS,
                Vfio.VFIO_REGION_INFO_FLAG_READ | (capabilities.isEmpty() ? 0 : Vfio.VFIO_REGION_INFO_FLAG_CAPS));
        answer.set(JAVA_LONG, VfioUser.RegionInfo.SIZE, 0x1000L << index);
        answer.set(JAVA_LONG, VfioUser.RegionInfo.OFFSET, (long) index << 40);
        if (answer.byteSize() < needed || capabilities.isEmpty()) {
            // As the kernel does: the flag, and no offset.
            answer.set(JAVA_INT, VfioUser.RegionInfo.CAP_OFFSET, 0);
        } else {
            answer.set(JAVA_INT, VfioUser.RegionInfo.CAP_OFFSET, VfioUser.RegionInfo.SIZEOF);
            VfioCapabilityChain.put(capabilities, answer.asSlice(0, needed), VfioUser.RegionInfo.SIZEOF);
        }
        answer.set(JAVA_INT, VfioUser.RegionInfo.ARGSZ, needed);
    }

    private DeviceInfo info() {
        return new DeviceInfo("0000:00:04.0", kernel);
    }

    @Test
    void rejectsIndicesThatTheDeviceDoesNotHave() {
        DeviceInfo info = info();
        assertThatThrownBy(() -> info.region(REGIONS))
                .hasMessage("0000:00:04.0: region 9 of 9: EINVAL (Invalid argument)");
        assertThatThrownBy(() -> info.irq(-1))
                .hasMessage("0000:00:04.0: irq index 4294967295 of 5: EINVAL (Invalid argument)");
    }

    @Test
    void anIndexThatTheKernelRefusesIsEmpty() {
        kernel.on(VFIO_DEVICE_GET_REGION_INFO, answer -> {
            throw new ErrnoException(Errno.EINVAL, "VFIO_DEVICE_GET_REGION_INFO");
        });
        assertThat(info().region(8).info().sizeBytes()).isZero();
    }

    @Test
    void anotherFailureIsOne() {
        kernel.on(VFIO_DEVICE_GET_IRQ_INFO, answer -> {
            throw new ErrnoException(Errno.EIO, "VFIO_DEVICE_GET_IRQ_INFO");
        });
        assertThatThrownBy(this::info).hasMessageContaining("EIO");
    }

    @Test
    void knowsWhereARegionIsInTheDescriptor() {
        assertThat(info().region(7).position()).isEqualTo(7L << 40);
        assertThat(info().region(7).info().sizeBytes()).isEqualTo(0x1000L << 7);
    }

    @Test
    void knowsHowManyVectorsThereAre() {
        assertThat(info().irq(2).count()).isEqualTo(3);
    }

    @Test
    void asksAgainForWhatDidNotFit() {
        List<Area> areas = IntStream.range(0, 200)
                .mapToObj(i -> new Area(i * 0x2000L, 0x1000))
                .toList();
        kernel.on(
                VFIO_DEVICE_GET_REGION_INFO,
                answer -> region(answer, List.of(VfioRegionCapabilities.sparseMmap(areas))));
        assertThat(VfioRegionCapabilities.sparseAreas(info().region(0).info().capabilities()))
                .contains(areas);
    }

    @Test
    void leavesTheCapabilityFlagOut() {
        kernel.on(
                VFIO_DEVICE_GET_REGION_INFO, answer -> region(answer, List.of(VfioRegionCapabilities.msixMappable())));
        assertThat(info().region(0).info().flags()).isEqualTo(Vfio.VFIO_REGION_INFO_FLAG_READ);
        assertThat(info().region(0).info().capabilities()).containsExactly(VfioRegionCapabilities.msixMappable());
    }

    @Test
    void refusesAnAnswerWithoutEnd() {
        kernel.on(VFIO_DEVICE_GET_INFO, answer -> answer.set(JAVA_INT, VfioUser.DeviceInfo.ARGSZ, -1));
        assertThatThrownBy(this::info)
                .hasMessageContaining("the limit is 1048576")
                .hasMessageContaining("E2BIG");
    }
}
