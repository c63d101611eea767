package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.bus.FakeBridge.add;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What sits behind what, and which addresses a bridge forwards (PCI-to-PCI Bridge 1.2, 3.2.5). */
class PciTopologyTest {

    private static final PciBar MEM32 = new PciBar(0, 1 << 16, PciBar.Kind.MEM32, false);
    private static final PciBar MEM64 = new PciBar(2, 1L << 25, PciBar.Kind.MEM64, true);
    private static final PciBar IO = new PciBar(1, 32, PciBar.Kind.IO, false);

    private final PciBus bus = new PciBus();

    @Test
    void aFunctionSitsBehindTheBridgeToItsBus() {
        FakeBridge.addSwitch(bus);
        PciDevice function = add(bus, "0000:07:00.1", new FakeFunction());
        List<String> chain = new ArrayList<>();
        for (Optional<BusDevice> at = Optional.of(function);
                at.isPresent();
                at = at.get().parent()) {
            chain.add(at.get().name());
        }
        assertThat(chain).containsExactly("0000:07:00.1", "0000:06:00.0", "0000:05:00.0", "0000:00:02.0");
        PciBridge port = bus.device(PciAddress.parse("06:00.0")).bridge().orElseThrow();
        assertThat(port.portType()).isEqualTo(PCI_EXP_TYPE_DOWNSTREAM);
        assertThat(port.primaryBus()).isEqualTo(6);
        assertThat(port.secondaryBus()).isEqualTo(7);
        assertThat(port.subordinateBus()).isEqualTo(7);
        assertThat(function.bridge()).isEmpty();
    }

    @Test
    void aBusThatNoBridgeLeadsToIsARootBus() {
        FakeBridge.addSwitch(bus);
        assertThat(add(bus, "0000:0a:1f.0", new FakeFunction()).upstream()).isEmpty();
        assertThat(add(bus, "0000:00:03.0", new FakeFunction()).upstream()).isEmpty();
        // Bus 07 of another domain is another bus.
        assertThat(add(bus, "0001:07:03.0", new FakeFunction()).upstream()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "0000:07:01.0, the link behind 0000:06:00.0 has one device",
        "0000:05:01.0, the link behind 0000:00:02.0 has one device",
    })
    void aLinkHasOneDevice(String address, String why) {
        FakeBridge.addSwitch(bus);
        assertRefused(address, new FakeFunction(), why);
    }

    @Test
    void aPlaceIsCheckedAsIfAFunctionCame() {
        FakeBridge.addSwitch(bus);
        add(bus, "0000:07:00.0", new FakeFunction());
        assertErrno(EEXIST, () -> bus.checkFree(PciAddress.parse("0000:07:00.0")));
        assertThatThrownBy(() -> bus.checkFree(PciAddress.parse("0000:07:01.0")))
                .hasMessageContaining("the link behind 0000:06:00.0 has one device");
        int devices = bus.devices().size();
        bus.checkFree(PciAddress.parse("0000:07:00.1"));
        assertThat(bus.devices()).hasSize(devices);
    }

    @Test
    void aBusBehindABridgeNeedsABridgeRightBeforeIt() {
        add(bus, "0000:00:02.0", FakeBridge.port(PCI_EXP_TYPE_ROOT_PORT, 0, 5, 9));
        assertRefused("0000:07:00.0", new FakeFunction(), "is one of 05 to 09 behind 0000:00:02.0");
        assertThat(bus.devices()).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource({
        "0000:00:03.0, 1, 10, 10, its primary bus is 01",
        "0000:00:03.0, 0, 0, 3, 'are 00 to 03, the first is 01'",
        "0000:00:03.0, 0, 12, 11, 0c to 0b",
        "0000:00:03.0, 0, 9, 12, 'those behind 0000:00:02.0 05 to 09'",
        "0000:00:03.0, 0, 1, 12, 'those behind 0000:00:02.0 05 to 09'",
        "0000:00:03.0, 0, 32, 33, 0000:20:01.0 is there already",
        "0000:06:03.0, 6, 9, 9, 'those behind 0000:06:02.0 09 to 09'",
        "0000:06:03.0, 6, 10, 10, 'those behind 0000:05:00.0 06 to 09'",
    })
    void refusesABridgeToBusesThatAreNotBehindIt(String at, int primary, int secondary, int subordinate, String why) {
        FakeBridge.addSwitch(bus);
        add(bus, "0000:20:01.0", new FakeFunction());
        assertRefused(at, FakeBridge.port(PCI_EXP_TYPE_DOWNSTREAM, primary, secondary, subordinate), why);
        // And nothing is left of it.
        assertThat(bus.devices()).hasSize(6);
    }

    @Test
    void aBridgeForwardsWhatTheFunctionsBehindItDecode() {
        FakeBridge.addSwitch(bus);
        PciDevice first = add(bus, "0000:07:00.0", new FakeFunction(MEM32, MEM64));
        PciDevice second = add(bus, "0000:08:00.0", new FakeFunction(MEM32, MEM64));
        for (PciDevice function : List.of(first, second)) {
            for (Optional<PciDevice> bridge = function.upstream();
                    bridge.isPresent();
                    bridge = bridge.get().upstream()) {
                PciFunction registers = bridge.get().function();
                PciDevice.Resource low = function.resources().getFirst();
                assertThat(low.start()).isGreaterThanOrEqualTo(memory(registers, PCI_MEMORY_BASE));
                assertThat(low.end()).isLessThanOrEqualTo(memory(registers, PCI_MEMORY_LIMIT) | 0xfffff);
                PciDevice.Resource high = function.resources().getLast();
                assertThat(high.start())
                        .isGreaterThanOrEqualTo(prefetchable(registers, PCI_PREF_MEMORY_BASE, PCI_PREF_BASE_UPPER32));
                assertThat(high.end())
                        .isLessThanOrEqualTo(
                                prefetchable(registers, PCI_PREF_MEMORY_LIMIT, PCI_PREF_LIMIT_UPPER32) | 0xfffff);
                assertThat(registers.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
            }
        }
        PciFunction mine = bus.device(PciAddress.parse("06:00.0")).function();
        PciFunction next = bus.device(PciAddress.parse("06:01.0")).function();
        assertThat(memory(mine, PCI_MEMORY_LIMIT) | 0xfffff).isLessThan(memory(next, PCI_MEMORY_BASE));
    }

    @Test
    void thereIsNoIoSpaceBehindABridgeAndNoMoreMemoryThanItsWindow() {
        FakeBridge.addSwitch(bus);
        assertErrno(ENOSPC, () -> add(bus, "0000:07:00.0", new FakeFunction(IO)));
        assertThat(bus.device(PciAddress.parse("00:02.0")).function().configRead(PCI_IO_BASE, 2))
                .isEqualTo(0xf0);
        PciBar large = new PciBar(0, 1L << 26, PciBar.Kind.MEM32, false);
        assertErrno(ENOSPC, () -> add(bus, "0000:07:00.0", new FakeFunction(large)));
        assertThat(add(bus, "0000:00:03.0", new FakeFunction(large, IO)).resources())
                .hasSize(2);
    }

    @Test
    void aBridgeStaysWhileSomethingSitsBehindIt() {
        FakeBridge.addSwitch(bus);
        PciDevice port = bus.device(PciAddress.parse("06:00.0"));
        PciDevice function = add(bus, "0000:07:00.0", new FakeFunction());
        assertErrno(EBUSY, () -> bus.remove(port));
        bus.remove(function);
        bus.remove(port);
        assertRefused("0000:07:00.0", new FakeFunction(), "no bridge leads to its bus");
    }

    @Test
    void virtualFunctionsSitWhereTheirPhysicalOneDoes() {
        FakeBridge.addSwitch(bus);
        bus.register(new FakePhysicalDriver());
        PciDevice physical = add(bus, "0000:07:00.0", new FakePhysicalFunction());
        bus.setNumVfs(physical, 2);
        PciDevice virtual = physical.sriov().orElseThrow().virtualFunctions().getLast();
        assertThat(virtual.address().device()).isNotZero();
        assertThat(virtual.upstream()).isEqualTo(physical.upstream());
        PciFunction port = bus.device(PciAddress.parse("06:00.0")).function();
        assertThat(virtual.resources().getFirst().start())
                .isGreaterThanOrEqualTo(prefetchable(port, PCI_PREF_MEMORY_BASE, PCI_PREF_BASE_UPPER32));
    }

    @Test
    void aBridgeHasNoSubsystemIdsWhereItsWindowsAre() {
        PciDevice bridge = add(bus, "0000:00:02.0", FakeBridge.conventional(0, 1, 4));
        assertThat(bridge.bridge().orElseThrow().portType()).isEqualTo(PCI_EXP_TYPE_PCI_BRIDGE);
        assertThat(bridge.modalias()).isEqualTo("pci:v00001B36d0000000Csv00000000sd00000000bc06sc04i00");
        assertThat(new PciDeviceId(FakeBridge.VENDOR, FakeBridge.DEVICE, 0, 0, 0, 0, false).matches(bridge.function()))
                .isTrue();
        // Conventional PCI has 32 devices on a bus.
        assertThat(add(bus, "0000:01:1f.0", new FakeFunction()).upstream()).contains(bridge);
    }

    private void assertRefused(String address, PciFunction function, String why) {
        assertErrno(EINVAL, () -> add(bus, address, function));
        assertThatThrownBy(() -> add(bus, address, function)).hasMessageContaining(why);
    }

    private static long memory(PciFunction bridge, int register) {
        return (long) bridge.configRead(register, 2) << 16;
    }

    private static long prefetchable(PciFunction bridge, int register, int upper) {
        return (Integer.toUnsignedLong(bridge.configRead(upper, 4)) << 32)
                | ((bridge.configRead(register, 2) & 0xfff0L) << 16);
    }
}
