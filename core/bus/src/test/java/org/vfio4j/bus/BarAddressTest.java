package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.bus.BusTesting.SECOND;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_0;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The bus is the firmware: it gives BARs their addresses. */
class BarAddressTest {

    private static final PciBar IO = new PciBar(0, 64, PciBar.Kind.IO, false);
    private static final PciBar SMALL = new PciBar(1, 4096, PciBar.Kind.MEM32, false);
    private static final PciBar LARGE = new PciBar(2, 1L << 24, PciBar.Kind.MEM32, false);
    private static final PciBar HUGE = new PciBar(4, 1L << 33, PciBar.Kind.MEM64, true);

    private final PciBus bus = new PciBus();

    @Test
    void refusesAFunctionForWhichNoAddressesAreLeftAndKeepsNothingOfIt() {
        PciBar most = new PciBar(0, 1L << 30, PciBar.Kind.MEM32, false);
        bus.add(FIRST, new FakeFunction(most));
        assertErrno(ENOSPC, () -> bus.add(SECOND, new FakeFunction(most)));
        assertThat(bus.devices()).extracting(PciDevice::address).containsExactly(FIRST);
    }

    @Test
    void writesTheAddressesIntoTheRegistersBesideTheReadOnlyBits() {
        PciDevice device = bus.add(FIRST, new FakeFunction(IO, SMALL, LARGE, HUGE));
        for (PciDevice.Resource resource : device.resources()) {
            int register = PCI_BASE_ADDRESS_0 + 4 * resource.bar().index();
            long written = Integer.toUnsignedLong(device.function().configRead(register, 4));
            if (resource.bar().kind() == PciBar.Kind.MEM64) {
                written |= (long) device.function().configRead(register + 4, 4) << 32;
            }
            assertThat(written).isEqualTo(resource.start() | resource.bar().flags());
        }
        assertThat(device.resources()).extracting(PciDevice.Resource::bar).containsExactly(IO, SMALL, LARGE, HUGE);
    }

    @Test
    void alignsEachToItsSizeAndLetsNoneOverlap() {
        List<PciDevice.Resource> all = new ArrayList<>();
        all.addAll(bus.add(FIRST, new FakeFunction(IO, SMALL, LARGE, HUGE)).resources());
        all.addAll(bus.add(SECOND, new FakeFunction(IO, SMALL, LARGE, HUGE)).resources());
        assertThat(all)
                .allSatisfy(r -> assertThat(r.start() % r.bar().sizeBytes()).isZero());
        all.sort(Comparator.comparingLong(PciDevice.Resource::start));
        for (int i = 1; i < all.size(); i++) {
            assertThat(all.get(i).start()).isGreaterThan(all.get(i - 1).end());
        }
    }

    @Test
    void keeps32BitBarsBelow4GiBAndIoBelow64KiB() {
        PciDevice device = bus.add(FIRST, new FakeFunction(IO, SMALL, LARGE, HUGE));
        assertThat(device.resources().get(0).end()).isLessThan(1 << 16);
        assertThat(device.resources().get(2).end()).isLessThan(1L << 32);
    }
}
