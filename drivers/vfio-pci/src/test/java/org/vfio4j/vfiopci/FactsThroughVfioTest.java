package org.vfio4j.vfiopci;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_ID_ATS;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_ID_PASID;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_ID_PRI;
import static org.vfio4j.uapi.PciRegs.PCI_PASID_CTRL;
import static org.vfio4j.uapi.PciRegs.PCI_PASID_CTRL_ENABLE;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.uapi.Vfio4j.VFIO4J_DEVICE_INFO_CAP_FACTS;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.Errno;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfiopci.testing.ServedFunction;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiopcifacts.PciFactsTable;

/** An operator's facts, by what a client of the protocol sees of a virtual function, and by what vfio-pci refuses. */
class FactsThroughVfioTest {

    private static final String VF =
            "8086:154c ioPageFaultTolerant=yes pasidOffset=0x200 atsOffset=0x208 priOffset=0x210";

    private final TestMachine machine = new TestMachine();

    @Test
    void refusesWhatAnOperatorDenylists() {
        facts("8086:1572 denylisted=yes");
        PciDevice device = machine.bus.add(PciAddress.parse("08:00.0"), TestMachine.function());
        TestMachine.assertErrno(Errno.EINVAL, () -> machine.bind(device));
        machine.bus.provide(VfioPciOptions.class, VfioPciOptions.parse(List.of("disable_denylist")));
        machine.bind(device);
    }

    @Test
    void takesWhatAnOperatorAllows() {
        facts("8086:37c8 denylisted=no");
        machine.bind(machine.bus.add(PciAddress.parse("08:00.0"), new PlainFunction(0x8086, 0x37c8)));
    }

    @Test
    void aVirtualFunctionShowsWhatItsPhysicalOneHasForAll() {
        facts(VF);
        try (ServedFunction vf = ServedFunction.of(virtualFunction())) {
            assertThat(extendedIds(vf)).endsWith(PCI_EXT_CAP_ID_PASID, PCI_EXT_CAP_ID_ATS, PCI_EXT_CAP_ID_PRI);
            vf.write(VFIO_PCI_CONFIG_REGION_INDEX, 0x200 + PCI_PASID_CTRL, 2, PCI_PASID_CTRL_ENABLE);
            assertThat(vf.number(VFIO_PCI_CONFIG_REGION_INDEX, 0x200 + PCI_PASID_CTRL, 2))
                    .isEqualTo(PCI_PASID_CTRL_ENABLE);
            assertThat(vf.file().info().capabilities())
                    .containsExactly(new VfioInfoCapability(
                            VFIO4J_DEVICE_INFO_CAP_FACTS, 1, new byte[] {1, 0, 0, 0, 0, 0, 0, 0}));
        }
    }

    @Test
    void aVirtualFunctionOfWhichNothingIsKnownShowsNothing() {
        facts("8086:1572 ioPageFaultTolerant=yes pasidOffset=0x200");
        try (ServedFunction vf = ServedFunction.of(virtualFunction())) {
            assertThat(extendedIds(vf)).doesNotContain(PCI_EXT_CAP_ID_PASID);
            assertThat(vf.file().info().capabilities()).isEmpty();
        }
    }

    private void facts(String lines) {
        machine.bus.provide(PciFactsTable.class, PciFactsTable.shipped().with("site.facts", lines.getBytes(UTF_8)));
    }

    private PciDevice virtualFunction() {
        PciDevice physical = machine.bus.add(TestMachine.PHYSICAL, TestMachine.physicalFunction());
        machine.bus.enableSriov(physical, 1, Optional.empty());
        return TestMachine.virtual(physical, 0);
    }

    /** The ids of the extended capabilities, in the order in which a driver finds them. */
    private static List<Integer> extendedIds(ServedFunction function) {
        List<Integer> ids = new ArrayList<>();
        long header;
        for (long at = 0x100; at != 0 && ids.size() < 100; at = header >>> 20) {
            header = function.number(VFIO_PCI_CONFIG_REGION_INDEX, at, 4);
            ids.add((int) (header & 0xffff));
        }
        return ids;
    }
}
