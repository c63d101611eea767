package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.OpenCore.signals;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionCapabilities;

/** Device-specific interrupt indices. */
class DevIrqTest {

    private static final int TYPE = 2;
    private static final int SUBTYPE = 1;

    @Test
    void refusesAnIndexWithoutVectors() {
        VfioPciCore core = new VfioPciCore("test", FakePciFunction.disk());
        assertErrno(EINVAL, () -> core.registerDevIrq(TYPE, SUBTYPE, 0));
    }

    @Test
    void cannotBeMaskedNorUsedPastItsVectors() {
        try (OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> core.registerDevIrq(TYPE, SUBTYPE, 2))) {
            assertErrno(EINVAL, () -> disk.mask(5, 0));
            assertErrno(EINVAL, () -> disk.trigger(5, 2));
            assertErrno(EINVAL, () -> disk.trigger(6, 0));
        }
    }

    @Test
    void saysItsType() {
        try (OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> core.registerDevIrq(TYPE, SUBTYPE, 2))) {
            VfioIrqInfo info = disk.file.irqInfo(5);
            assertThat(disk.file.info().numIrqs()).isEqualTo(6);
            assertThat(info.count()).isEqualTo(2);
            assertThat(info.flags()).isEqualTo(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
            VfioInfoCapability type = info.capabilities().getFirst();
            assertThat(type.id()).isEqualTo(VFIO_IRQ_INFO_CAP_TYPE);
            assertThat(type.body())
                    .isEqualTo(VfioRegionCapabilities.type(TYPE, SUBTYPE).body());
        }
    }

    @Test
    void eachVectorSignalsItsOwnDescriptor() {
        VfioPciDevIrq[] irq = new VfioPciDevIrq[1];
        try (OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> {
            irq[0] = core.registerDevIrq(TYPE, SUBTYPE, 3);
        })) {
            assertThat(irq[0].index()).isEqualTo(5);
            assertThat(irq[0].signal(1)).as("nobody wants to know yet").isFalse();
            List<Fd> fds = disk.assign(5, 1, 2);
            assertThat(irq[0].signal(1)).isTrue();
            disk.file.setIrqs(VfioIrqSet.bools(
                    VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, 5, 1, 2, List.of(false, true)));
            disk.trigger(5, 2);
            assertThat(signals(fds.get(0))).isEqualTo(1);
            assertThat(signals(fds.get(1))).isEqualTo(2);
            disk.deassign(5, 1, 1);
            assertThat(irq[0].signal(1)).isFalse();
            assertThat(irq[0].signal(2)).isTrue();
            disk.disable(5);
            assertThat(irq[0].signal(2)).isFalse();
        }
    }

    @Test
    void theDescriptorsGoWithTheClose() {
        VfioPciDevIrq[] irq = new VfioPciDevIrq[1];
        OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> {
            irq[0] = core.registerDevIrq(TYPE, SUBTYPE, 1);
        });
        disk.assign(5, 0, 1);
        disk.close();
        assertThat(irq[0].signal(0)).isFalse();
        assertThat(disk.core.info().numIrqs()).as("it was registered before").isEqualTo(6);
    }
}
