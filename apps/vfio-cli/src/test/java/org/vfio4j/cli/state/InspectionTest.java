package org.vfio4j.cli.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionInfo;

/** What is told of a device that has everything. */
class InspectionTest {

    private static final int DEVICE_REGION = 9;
    private static final int DEVICE_IRQ = 5;

    private final Inspection seen = Inspection.of(device(InspectionTest::answer));

    @Test
    void aRegionTellsWhatOfItCanBeMapped() {
        ServerState.Region bar = seen.regions().getFirst();
        assertThat(bar.name()).isEqualTo("BAR0");
        assertThat(bar.capabilities()).containsExactly("sparse-mmap", "msix-mappable");
        assertThat(bar.areas())
                .containsExactly(new ServerState.Area(0x1000, 0x3000), new ServerState.Area(0x8000, 0x1000));
        assertThat(bar.type()).isZero();
    }

    @Test
    void aDeviceSpecificRegionTellsItsType() {
        ServerState.Region region = seen.regions().getLast();
        assertThat(region.index()).isEqualTo(DEVICE_REGION);
        assertThat(region.name()).isEqualTo("region9");
        assertThat(region.type()).isEqualTo(0x80008086L);
        assertThat(region.subtype()).isEqualTo(2);
    }

    @Test
    void aDeviceSpecificInterruptTellsItsType() {
        assertThat(seen.irqs()).containsExactly(new ServerState.Irq(DEVICE_IRQ, "irq5", 1, 1, 0x80008086L, 7));
    }

    @Test
    void featuresAreProbedForEachOperation() {
        assertThat(seen.features())
                .containsExactly(
                        new ServerState.Feature(1, "migration", List.of("get")),
                        new ServerState.Feature(10, "bus-master", List.of("set")));
        assertThat(seen.migration()).containsExactly("stop-copy", "pre-copy");
    }

    private static VfioDeviceFile device(InvocationHandler answers) {
        return (VfioDeviceFile) Proxy.newProxyInstance(
                VfioDeviceFile.class.getClassLoader(), new Class<?>[] {VfioDeviceFile.class}, answers);
    }

    private static Object answer(Object proxy, Method method, Object[] arguments) {
        return switch (method.getName()) {
            case "info" -> new VfioDeviceInfo(VFIO_DEVICE_FLAGS_PCI, DEVICE_REGION + 1, DEVICE_IRQ + 1);
            case "regionInfo" -> region((int) arguments[0]);
            case "irqInfo" -> irq((int) arguments[0]);
            case "feature" -> feature((int) arguments[0], (MemorySegment) arguments[1]);
            default -> throw new AssertionError(method);
        };
    }

    private static VfioRegionInfo region(int index) {
        return switch (index) {
            case 0 ->
                new VfioRegionInfo(
                        0,
                        7,
                        0x10000,
                        List.of(
                                VfioRegionCapabilities.sparseMmap(List.of(
                                        new VfioRegionCapabilities.Area(0x1000, 0x3000),
                                        new VfioRegionCapabilities.Area(0x8000, 0x1000))),
                                VfioRegionCapabilities.msixMappable()));
            case DEVICE_REGION ->
                new VfioRegionInfo(DEVICE_REGION, 1, 4096, List.of(VfioRegionCapabilities.type(0x80008086, 2)));
            default -> new VfioRegionInfo(index, 0, 0);
        };
    }

    private static VfioIrqInfo irq(int index) {
        VfioInfoCapability type = VfioRegionCapabilities.type(0x80008086, 7);
        return index == DEVICE_IRQ
                ? new VfioIrqInfo(index, 1, 1, List.of(new VfioInfoCapability(VFIO_IRQ_INFO_CAP_TYPE, 1, type.body())))
                : new VfioIrqInfo(index, 0, 0);
    }

    private static int feature(int flags, MemorySegment data) {
        int feature = flags & VFIO_DEVICE_FEATURE_MASK;
        int has = switch (feature) {
            case VFIO_DEVICE_FEATURE_MIGRATION -> VFIO_DEVICE_FEATURE_GET;
            case VFIO_DEVICE_FEATURE_BUS_MASTER -> VFIO_DEVICE_FEATURE_SET;
            default -> throw new ErrnoException(Errno.ENOTTY, "feature " + feature);
        };
        if ((flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET) & ~has) != 0) {
            throw new ErrnoException(Errno.EINVAL, "feature " + feature);
        }
        if ((flags & VFIO_DEVICE_FEATURE_PROBE) == 0) {
            data.set(ValueLayout.JAVA_LONG, 0, VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY);
        }
        return 8;
    }
}
