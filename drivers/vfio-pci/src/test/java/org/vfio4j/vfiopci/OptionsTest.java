package org.vfio4j.vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_PM_CTRL;
import static org.vfio4j.uapi.PciRegs.PCI_PM_CTRL_STATE_MASK;
import static org.vfio4j.vfiopci.TestMachine.assertErrno;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.Errno;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiopcicore.VfioPciRegistration;

/** What vfio-pci's options change; a device keeps those that it was probed with. */
class OptionsTest {

    private static final int D0 = 0;
    private static final int D3_HOT = 3;

    @ParameterizedTest
    @ValueSource(ints = {0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0435, 0x0443, 0x0b25, 0x0cfe})
    void refusesWhatIsOnTheDenylistUnlessThatIsDisabled(int deviceId) {
        TestMachine machine = new TestMachine();
        PciDevice device = machine.bus.add(PciAddress.parse("08:00.0"), new PlainFunction(0x8086, deviceId));
        assertErrno(Errno.EINVAL, () -> machine.bind(device));
        assertThat(device.driver()).isEmpty();
        machine.bus.provide(VfioPciOptions.class, VfioPciOptions.parse(List.of("disable_denylist")));
        machine.bind(device);
    }

    @Test
    void theDenylistIsIntelsOnly() {
        TestMachine machine = new TestMachine();
        machine.bind(machine.bus.add(PciAddress.parse("08:00.0"), new PlainFunction(0x1af4, 0x19e2)));
    }

    @Test
    void idsAreTakenWithoutAnOverride() {
        TestMachine machine = new TestMachine("ids=8086:1572,8086:1572:1:2");
        PciDevice device = machine.bus.add(PciAddress.parse("08:00.0"), TestMachine.function());
        assertThat(device.driver()).isPresent();
        machine.bus.setDriverOverride(device, Optional.of("another"));
        machine.bus.unbind(device);
        assertThat(machine.bus.probe(device)).isFalse();
        assertThat(machine.bus.aliases())
                .anyMatch(alias -> alias.pattern().equals("pci:v00008086d00001572sv*sd*bc*sc*i*"));
    }

    @Test
    void aFunctionSleepsWhileNobodyUsesIt() {
        TestMachine machine = new TestMachine();
        PciDevice device = machine.plain("08:00.0");
        assertThat(powerState(device)).isEqualTo(D3_HOT);
        LocalDeviceFile file = machine.registry.open("vfio0");
        assertThat(powerState(device)).isEqualTo(D0);
        file.close();
        assertThat(powerState(device)).isEqualTo(D3_HOT);
        machine.bus.unbind(device);
        assertThat(powerState(device)).isEqualTo(D0);
    }

    @Test
    void aFunctionStaysAwakeWithDisableIdleD3() {
        TestMachine machine = new TestMachine("disable_idle_d3");
        PciDevice device = machine.plain("08:00.0");
        assertThat(powerState(device)).isEqualTo(D0);
        machine.registry.open("vfio0").close();
        assertThat(powerState(device)).isEqualTo(D0);
    }

    @Test
    void aPhysicalFunctionIsAwakeForItsVirtualOnes() {
        TestMachine machine = new TestMachine("enable_sriov");
        PciDevice device = machine.physical();
        assertThat(powerState(device)).isEqualTo(D3_HOT);
        machine.bus.setNumVfs(device, 1);
        assertThat(powerState(device)).isEqualTo(D0);
        machine.registry.open("0000:04:00.0").close();
        assertThat(powerState(device)).isEqualTo(D0);
        machine.bus.setNumVfs(device, 0);
        assertThat(powerState(device)).isEqualTo(D3_HOT);
    }

    @Test
    void aDeviceKeepsTheOptionsThatItWasProbedWith() {
        TestMachine machine = new TestMachine();
        PciDevice old = machine.plain("08:00.0");
        machine.bus.provide(VfioPciOptions.class, VfioPciOptions.parse(List.of("disable_idle_d3", "disable_vga")));
        PciDevice fresh = machine.plain("09:00.0");
        machine.registry.open("0000:08:00.0").close();
        machine.registry.open("0000:09:00.0").close();
        assertThat(powerState(old)).isEqualTo(D3_HOT);
        assertThat(powerState(fresh)).isEqualTo(D0);
        assertThat(options(old).disableVga()).isFalse();
        assertThat(options(fresh).disableVga()).isTrue();
    }

    private static VfioPciOptions options(PciDevice device) {
        return device.driverData(VfioPciRegistration.class).core().options();
    }

    // Power management is the first capability of these functions.
    private static int powerState(PciDevice device) {
        int capability = device.function().configRead(PCI_CAPABILITY_LIST, 1);
        return device.function().configRead(capability + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;
    }
}
