package org.vfio4j.cli.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.uapi.PciRegs;

/** Network interfaces on the command line. */
class I40eVfKindTest {

    private final DeviceKinds kinds = new DeviceKinds();

    @Test
    void aLinkHasAnEndOfPorts() {
        for (int i = 0; i < NetworkLink.MAX_PORTS; i++) {
            open("link=full", i).close();
        }
        assertThatThrownBy(() -> open("link=full", 64))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.hint()).isEqualTo("another link="));
        open("link=other", 64).close();
    }

    @Test
    void theAddressOnTheBusMakesADefaultMacAddress() {
        try (EmulatedDevice device = open("link=net0", 3)) {
            assertThat(device.description()).isEqualTo("02:00:00:08:03:00 at net0");
            assertThat(device.function().configRead(PciRegs.PCI_DEVICE_ID, 2)).isEqualTo(0x154c);
        }
    }

    @Test
    void isServedAsAnyOtherFunction() {
        try (Machine machine = new Machine()) {
            ServerState.Function state = machine.add(kinds.plan(List.of("i40e-vf", "mac=02:00:00:00:00:07")))
                    .state();
            assertThat(state.kind()).isEqualTo("i40e-vf");
            assertThat(state.id()).isEqualTo("8086:154c");
            assertThat(state.driver()).isEqualTo("i40e-vfio-pci");
        }
    }

    private EmulatedDevice open(String setting, int device) {
        int slot = device % 32;
        return kinds.plan(List.of("i40e-vf", setting)).open(new PciAddress(0, 8 + device / 32, slot, 0));
    }
}
