package org.vfio4j.vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR0_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_INTX_IRQ_INDEX;
import static org.vfio4j.vfiopci.TestMachine.assertErrno;
import static org.vfio4j.vfiopci.TestMachine.virtual;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;

/** Virtual functions of a physical function that vfio-pci has, as the kernel's vfio_pci_core_sriov_configure makes them. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SriovThroughVfioTest {

    private static final Duration SHORTLY = Duration.ofMillis(20);
    private static final String TOKEN = " vf_token=bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3";

    private final TestMachine machine = new TestMachine("enable_sriov");

    @Test
    void refusedWithoutTheOption() {
        TestMachine plain = new TestMachine();
        PciDevice physical = plain.physical();
        assertErrno(Errno.ENOENT, () -> plain.bus.setNumVfs(physical, 1));
        assertThat(plain.bus.devices()).hasSize(1);
    }

    @Test
    void refusesAPhysicalFunctionWithVirtualOnesAlready() {
        PciDevice physical = machine.bus.add(TestMachine.PHYSICAL, TestMachine.physicalFunction());
        machine.bus.enableSriov(physical, 1, Optional.empty());
        assertErrno(Errno.EBUSY, () -> machine.bind(physical));
        assertThat(machine.registry.devices()).isEmpty();
        machine.bus.disableSriov(physical, SHORTLY);
        machine.bus.bind(physical, "vfio-pci");
    }

    @Test
    void refusesAnotherNumber() {
        PciDevice physical = machine.physical();
        machine.bus.setNumVfs(physical, 1);
        assertErrno(Errno.EBUSY, () -> machine.bus.setNumVfs(physical, 2));
        assertErrno(Errno.ERANGE, () -> machine.bus.setNumVfs(physical, 5));
    }

    @Test
    void whatCannotBeEnabledCanBeTriedAgain() {
        PciDevice physical = machine.physical();
        PciDevice inTheWay = machine.plain("04:10.0");
        assertErrno(Errno.EEXIST, () -> machine.bus.setNumVfs(physical, 1));
        machine.bus.remove(inTheWay);
        machine.bus.setNumVfs(physical, 1);
    }

    @Test
    void virtualFunctionsAreVfioPcisToo() {
        PciDevice physical = machine.physical();
        machine.bus.setNumVfs(physical, 3);
        assertThat(machine.registry.devices())
                .extracting(VfioDevice::parentName)
                .containsExactly("0000:04:00.0", "0000:04:10.0", "0000:04:10.1", "0000:04:10.2");
        assertThat(virtual(physical, 0).driverOverride()).contains("vfio-pci");
        machine.bus.setNumVfs(physical, 0);
        assertThat(machine.registry.devices()).hasSize(1);
    }

    @Test
    void aUserOfAVirtualFunctionFindsAWholeFunction() {
        PciDevice physical = machine.physical();
        machine.bus.setNumVfs(physical, 1);
        machine.registry.open("0000:04:00.0" + TOKEN).close();
        try (LocalDeviceFile file = machine.registry.open("0000:04:10.0" + TOKEN)) {
            assertThat(config(file, PCI_VENDOR_ID, 4)).isEqualTo(0x154c_8086);
            assertThat(config(file, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY).isNotZero();
            configWrite(file, PCI_BASE_ADDRESS_0, -1);
            assertThat(config(file, PCI_BASE_ADDRESS_0, 4)).isEqualTo(-4096 | 0xc);
            assertThat(file.irqInfo(VFIO_PCI_INTX_IRQ_INDEX).count()).isZero();
            MemorySegment buffer = MemorySegment.ofArray(new int[] {0x1234_5678});
            file.write(VFIO_PCI_BAR0_REGION_INDEX, 0, buffer, 0, 4);
            file.reset();
            buffer.fill((byte) 0);
            file.read(VFIO_PCI_BAR0_REGION_INDEX, 0, buffer, 0, 4);
            assertThat(buffer.get(ValueLayout.JAVA_INT, 0)).isEqualTo(0x1234_5678);
        }
    }

    @Test
    void aResetOfThePhysicalFunctionLeavesItsVirtualOnes() {
        PciDevice physical = machine.physical();
        machine.bus.setNumVfs(physical, 2);
        try (LocalDeviceFile file = machine.registry.open("0000:04:00.0" + TOKEN)) {
            file.reset();
        }
        machine.registry.open("0000:04:10.1" + TOKEN).close();
        machine.bus.setNumVfs(physical, 0);
    }

    @Test
    void aPhysicalFunctionWithVirtualOnesStaysInD0() {
        PciDevice physical = machine.physical();
        machine.bus.setNumVfs(physical, 1);
        try (LocalDeviceFile file = machine.registry.open("0000:04:00.0" + TOKEN)) {
            int control = powerControl(physical);
            configWrite(file, control, 3);
            assertThat(config(file, control, 2) & PCI_PM_CTRL_STATE_MASK).isZero();
            assertThat(config(file, PCI_VENDOR_ID, 4)).isEqualTo(0x1572_8086);
            machine.bus.setNumVfs(physical, 0);
            configWrite(file, control, 3);
            assertThat(config(file, control, 2) & PCI_PM_CTRL_STATE_MASK).isEqualTo(3);
        }
    }

    @Test
    void aPhysicalFunctionThatItsUserHasPutToSleepGetsNoVirtualOnes() {
        PciDevice physical = machine.physical();
        int control = powerControl(physical);
        try (LocalDeviceFile file = machine.registry.open("0000:04:00.0")) {
            configWrite(file, control, 3);
            assertErrno(Errno.EBUSY, () -> machine.bus.setNumVfs(physical, 1));
            configWrite(file, control, 0);
            machine.bus.setNumVfs(physical, 1);
            machine.bus.setNumVfs(physical, 0);
            configWrite(file, control, 3);
            file.reset();
            machine.bus.setNumVfs(physical, 1);
            machine.bus.setNumVfs(physical, 0);
            configWrite(file, control, 3);
        }
        machine.bus.setNumVfs(physical, 1);
    }

    // Power management is the first capability of these functions.
    private static int powerControl(PciDevice device) {
        return device.function().configRead(PCI_CAPABILITY_LIST, 1) + PCI_PM_CTRL;
    }

    @Test
    void aUserWhoStaysKeepsThemAll() {
        PciDevice physical = machine.physical();
        machine.bus.setNumVfs(physical, 2);
        machine.registry.open("0000:04:00.0" + TOKEN).close();
        try (LocalDeviceFile file = machine.registry.open("0000:04:10.1" + TOKEN)) {
            assertErrno(Errno.EBUSY, () -> machine.bus.setNumVfs(physical, 0, SHORTLY));
            assertErrno(Errno.EBUSY, () -> machine.bus.unbind(physical, SHORTLY));
            assertErrno(Errno.EBUSY, () -> machine.bus.remove(physical, SHORTLY));
            assertThat(file.info().numRegions()).isPositive();
        }
        assertThat(machine.registry.devices()).hasSize(3);
        machine.registry.open("0000:04:00.0").close();
        machine.registry.open("0000:04:10.0" + TOKEN).close();
        machine.bus.remove(physical, SHORTLY);
        assertThat(machine.bus.devices()).isEmpty();
        assertThat(machine.registry.devices()).isEmpty();
    }

    @Test
    void thePhysicalFunctionsUserKeepsThemAllToo() {
        PciDevice physical = machine.physical();
        machine.bus.setNumVfs(physical, 2);
        try (LocalDeviceFile file = machine.registry.open("0000:04:00.0")) {
            assertErrno(Errno.EBUSY, () -> machine.bus.unbind(physical, SHORTLY));
            assertThat(file.info().numRegions()).isPositive();
        }
        assertThat(machine.registry.devices()).hasSize(3);
        machine.bus.unbind(physical, SHORTLY);
        assertThat(machine.bus.devices()).containsExactly(physical);
    }

    @Test
    void manyThreadsThatEnableDisableBindAndOpenLeaveEverythingInOrder() throws Exception {
        PciDevice physical = machine.physical();
        machine.registry.open("0000:04:00.0" + TOKEN).close();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 6; t++) {
            int seed = t;
            threads.add(Thread.ofPlatform().daemon().start(() -> {
                try {
                    for (int i = 0; i < 150; i++) {
                        step(physical, i * 5 + seed);
                    }
                } catch (Throwable e) {
                    failure.compareAndSet(null, e);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(failure.get()).isNull();
        List<PciDevice> virtuals = physical.sriov().orElseThrow().virtualFunctions();
        assertThat(machine.bus.devices())
                .isSubsetOf(
                        Stream.concat(Stream.of(physical), virtuals.stream()).toList());
        assertThat(machine.registry.devices().stream()
                        .map(VfioDevice::parentName)
                        .sorted())
                .containsExactlyElementsOf(machine.bus.devices().stream()
                        .filter(device -> device.driver().isPresent())
                        .map(PciDevice::toString)
                        .toList());
        machine.bus.remove(physical, SHORTLY);
        assertThat(machine.bus.devices()).isEmpty();
        assertThat(machine.registry.devices()).isEmpty();
    }

    private void step(PciDevice physical, int turn) {
        try {
            switch (turn % 9) {
                case 0, 1 -> machine.bus.setNumVfs(physical, 1 + turn % 4);
                case 2 -> machine.bus.setNumVfs(physical, 0, Duration.ofMillis(1));
                case 3 -> machine.bus.unbind(physical, Duration.ofMillis(1));
                case 4, 5 -> machine.bus.bind(physical, "vfio-pci");
                case 6 -> machine.bus.unbind(virtual(physical, 0), Duration.ofMillis(1));
                case 7 -> machine.bus.remove(virtual(physical, 0), Duration.ofMillis(1));
                default -> machine.registry.open("0000:04:10.0" + TOKEN).close();
            }
        } catch (ErrnoException e) {
            assertThat(e.errno())
                    .as(e.getMessage())
                    .isIn(Errno.EBUSY, Errno.ENODEV, Errno.ENOENT, Errno.EACCES, Errno.EINVAL);
        } catch (IndexOutOfBoundsException e) {
            assertThat(turn % 9).isIn(6, 7); // there is none just now
        }
    }

    private static int config(LocalDeviceFile file, int offset, int width) {
        MemorySegment buffer = MemorySegment.ofArray(new int[1]);
        file.read(VFIO_PCI_CONFIG_REGION_INDEX, offset, buffer, 0, width);
        return buffer.get(ValueLayout.JAVA_INT, 0);
    }

    private static void configWrite(LocalDeviceFile file, int offset, int value) {
        file.write(VFIO_PCI_CONFIG_REGION_INDEX, offset, MemorySegment.ofArray(new int[] {value}), 0, 4);
    }
}
