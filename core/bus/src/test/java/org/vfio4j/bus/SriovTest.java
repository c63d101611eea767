package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.bus.BusTesting.SECOND;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.bus.FakePhysicalFunction.SRIOV;
import static org.vfio4j.bus.FakePhysicalFunction.TOTAL;
import static org.vfio4j.sys.Errno.*;
import static org.vfio4j.uapi.PciRegs.*;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.sys.ErrnoException;

/** Virtual functions come and go as in Linux, drivers/pci/iov.c (PCI Express Base 6.0, 9). */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SriovTest {

    private static final Duration SHORTLY = Duration.ofMillis(20);
    private static final PciDeviceId VF_ID = PciDeviceId.of(FakeFunction.VENDOR, FakePhysicalFunction.VF_DEVICE);

    private final PciBus bus = new PciBus();
    private final FakePhysicalFunction function = new FakePhysicalFunction();
    private final FakePhysicalDriver driver = new FakePhysicalDriver();
    private final HeldDriver virtualDriver = new HeldDriver("virtual", VF_ID);

    @ParameterizedTest
    @CsvSource({"0xc,3", "0xe,0", "0x14,0", "0x16,0"})
    void aCapabilityThatMakesNoSenseIsNotUsed(String register, int value) {
        function.set(Integer.decode(register), value);
        assertThat(bus.add(FIRST, function).sriov()).isEmpty();
    }

    @Test
    void vfBarsThatAreNoPagesOfMemoryAreNotUsed() {
        function.masks[3] = -0x800;
        assertThat(bus.add(FIRST, function).sriov()).isEmpty();
        FakePhysicalFunction holes = new FakePhysicalFunction();
        holes.masks[3] = 0xffff_0ff0;
        assertThat(bus.add(SECOND, holes).sriov()).isEmpty();
    }

    @Test
    void aChainOfCapabilitiesThatLoopsEnds() {
        FakeFunction loop = new FakeFunction(4096);
        loop.configWrite(0x100, 4, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x100 << 20);
        assertThat(bus.add(FIRST, loop).sriov()).isEmpty();
        assertThat(bus.add(SECOND, new FakeFunction()).sriov()).isEmpty();
    }

    @Test
    void refusesNumbersThatCannotBe() {
        PciDevice physical = bound();
        assertErrno(ERANGE, () -> bus.setNumVfs(physical, TOTAL + 1));
        assertErrno(EINVAL, () -> bus.setNumVfs(physical, -1));
        assertErrno(EINVAL, () -> bus.enableSriov(physical, 0, Optional.empty()));
        assertErrno(EINVAL, () -> bus.enableSriov(physical, TOTAL + 1, Optional.empty()));
        assertThat(bus.devices()).containsExactly(physical);
    }

    @Test
    void refusesToGoFromOneNumberToAnother() {
        PciDevice physical = bound();
        bus.setNumVfs(physical, 2);
        assertErrno(EBUSY, () -> bus.setNumVfs(physical, 3));
        assertErrno(EINVAL, () -> bus.enableSriov(physical, 3, Optional.empty()));
        bus.setNumVfs(physical, 2); // is so already
        bus.setNumVfs(physical, 0);
        bus.setNumVfs(physical, 3);
        assertThat(physical.sriov().orElseThrow().numVfs()).isEqualTo(3);
    }

    @Test
    void refusesAFunctionWithoutDriverOrWithOneThatDoesNotDoIt() {
        PciDevice physical = bus.add(FIRST, function);
        assertErrno(ENOENT, () -> bus.setNumVfs(physical, 1));
        bus.register(new FakeDriver("unable", BusTesting.ITS_ID));
        assertThat(physical.driver()).isPresent();
        assertErrno(ENOENT, () -> bus.setNumVfs(physical, 1));
        PciDevice plain = bus.add(SECOND, new FakeFunction());
        assertErrno(ENOENT, () -> bus.setNumVfs(plain, 0));
        assertErrno(ENOSYS, () -> bus.enableSriov(plain, 1, Optional.empty()));
        assertErrno(ENOSYS, () -> bus.disableSriov(plain, SHORTLY));
        bus.remove(physical);
        assertErrno(ENODEV, () -> bus.setNumVfs(physical, 1));
    }

    @Test
    void refusesWhatHasNoBusNumbersOrAddresses() {
        function.set(PCI_SRIOV_VF_STRIDE, 0xffff);
        PciDevice physical = bound();
        assertErrno(ENOMEM, () -> bus.setNumVfs(physical, 2));
        assertThat(function.enabled()).isFalse();
        FakePhysicalFunction large = new FakePhysicalFunction();
        large.masks[3] = -0x4000_0000;
        PciDevice second = bus.add(SECOND, large);
        assertErrno(ENOMEM, () -> bus.setNumVfs(second, 1));
    }

    @Test
    void noneIsOnWhenOneCannotBe() {
        PciDevice physical = bound();
        bus.register(virtualDriver);
        PciDevice inTheWay = bus.add(address(2), new FakeFunction());
        assertErrno(EEXIST, () -> bus.setNumVfs(physical, TOTAL));
        assertThat(bus.devices()).containsExactly(physical, inTheWay);
        assertThat(virtualDriver.has).isEmpty();
        assertThat(virtualDriver.waiting.getCount())
                .as("no driver has seen one")
                .isOne();
        assertThat(function.enabled()).isFalse();
        function.present = 1;
        assertErrno(EIO, () -> bus.setNumVfs(physical, 2));
        assertThat(function.enabled()).isFalse();
        assertThat(function.get(PCI_SRIOV_NUM_VF)).isZero();
    }

    @Test
    void noneIsOnWhenADriverBreaksDown() {
        PciDevice physical = bound();
        FakeDriver broken = new FakeDriver("broken", VF_ID);
        broken.breaksDown = true;
        bus.register(broken);
        assertThatThrownBy(() -> bus.setNumVfs(physical, 2)).isInstanceOf(IllegalStateException.class);
        assertThat(bus.devices()).containsExactly(physical);
        assertThat(function.enabled()).isFalse();
    }

    @Test
    void usersOfTheFirstAreNotWaitedForWhenALaterOneBreaksDown() {
        PciDevice physical = bound();
        AtomicInteger probed = new AtomicInteger();
        AtomicBoolean used = new AtomicBoolean(true);
        bus.register(new PciDriver() {
            @Override
            public String name() {
                return "breaks down";
            }

            @Override
            public List<PciDeviceId> idTable() {
                return List.of(VF_ID);
            }

            @Override
            public void probe(PciDevice device) {
                if (probed.incrementAndGet() == 2) {
                    throw new IllegalStateException("the second is one too many");
                }
            }

            @Override
            public void remove(PciDevice device) {
                throw new AssertionError("removed without a limit");
            }

            @Override
            public void remove(PciDevice device, Duration limit) {
                if (used.get()) {
                    throw new ErrnoException(EBUSY, "its user keeps " + device);
                }
            }
        });
        assertThatThrownBy(() -> bus.setNumVfs(physical, 2))
                .isInstanceOf(IllegalStateException.class)
                .satisfies(e -> assertThat(e.getSuppressed()).hasSize(1));
        assertThat(physical.sriov().orElseThrow().numVfs()).isEqualTo(2);
        used.set(false);
        bus.disableSriov(physical, SHORTLY);
        assertThat(bus.devices()).containsExactly(physical);
    }

    @Test
    void whateverWasOnIsOffOnceTheFunctionIsPluggedIn() {
        function.set(PCI_SRIOV_NUM_VF, 3);
        function.set(PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE | PCI_SRIOV_CTRL_ARI);
        PciDevice physical = bus.add(FIRST, function);
        assertThat(function.get(PCI_SRIOV_CTRL)).isEqualTo(PCI_SRIOV_CTRL_ARI);
        assertThat(function.get(PCI_SRIOV_NUM_VF)).isZero();
        assertThat(function.get(PCI_SRIOV_SYS_PGSIZE)).isEqualTo(1);
        PciSriov sriov = physical.sriov().orElseThrow();
        assertThat(sriov.numVfs()).isZero();
        assertThat(sriov.totalVfs()).isEqualTo(TOTAL);
    }

    @Test
    void virtualFunctionsAppearByOffsetAndStride() {
        PciDevice physical = bound();
        bus.register(virtualDriver);
        bus.setNumVfs(physical, TOTAL);
        List<PciDevice> virtuals = physical.sriov().orElseThrow().virtualFunctions();
        assertThat(virtuals)
                .extracting(PciDevice::address)
                .containsExactly(address(0), address(1), address(2), address(3));
        assertThat(address(0)).hasToString("0000:00:03.0");
        assertThat(bus.devices()).containsAll(virtuals);
        assertThat(virtuals).allSatisfy(virtual -> {
            assertThat(virtual.physicalFunction()).contains(physical);
            assertThat(virtual.driver()).contains(virtualDriver);
            assertThat(virtual.sriov()).isEmpty();
            assertThat(virtual.modalias()).startsWith("pci:v00001AF4d0000154C");
        });
        assertThat(physical.physicalFunction()).isEmpty();
        assertThat(function.get(PCI_SRIOV_NUM_VF)).isEqualTo(TOTAL);
        assertThat(function.enabled()).isTrue();
    }

    @Test
    void theirBarsLieInARowBehindTheVfBars() {
        PciDevice physical = bound();
        bus.setNumVfs(physical, TOTAL);
        long first = Integer.toUnsignedLong(function.configRead(SRIOV + PCI_SRIOV_BAR + 12, 4));
        long low = Integer.toUnsignedLong(function.configRead(SRIOV + PCI_SRIOV_BAR, 4)) & ~0xfL;
        long high = Integer.toUnsignedLong(function.configRead(SRIOV + PCI_SRIOV_BAR + 4, 4));
        assertThat(first).isNotZero();
        for (int i = 0; i < TOTAL; i++) {
            assertThat(virtual(physical, i).resources())
                    .containsExactly(
                            new PciDevice.Resource(
                                    new PciBar(0, 0x4000, PciBar.Kind.MEM64, true), (high << 32 | low) + 0x4000L * i),
                            new PciDevice.Resource(
                                    new PciBar(3, 0x1000, PciBar.Kind.MEM32, false), first + 0x1000L * i));
        }
        long other = bus.add(SECOND, new FakeFunction(new PciBar(1, 0x1000, PciBar.Kind.MEM32, false)))
                .resources()
                .getFirst()
                .start();
        assertThat(other).isGreaterThanOrEqualTo(first + 0x1000L * TOTAL);
        bus.setNumVfs(physical, 0);
        bus.setNumVfs(physical, 1);
        assertThat(virtual(physical, 0).resources().getLast().start()).isEqualTo(first);
    }

    @Test
    void theOverrideKeepsThemForOneDriver() {
        driver.virtualsFor = Optional.of("vfio-like");
        bus.register(virtualDriver);
        PciDevice physical = bound();
        bus.setNumVfs(physical, 1);
        assertThat(virtual(physical, 0).driverOverride()).contains("vfio-like");
        assertThat(virtual(physical, 0).driver()).isEmpty();
    }

    @Test
    void theyGoInTheirOrderOnceTheirDriversHaveGivenThemBack() {
        HeardRemovals heard = new HeardRemovals();
        bus.addListener(heard);
        bus.register(virtualDriver);
        PciDevice physical = bound();
        bus.setNumVfs(physical, 3);
        bus.setNumVfs(physical, 0);
        assertThat(heard.addresses).containsExactly(address(0), address(1), address(2));
        assertThat(virtualDriver.has).isEmpty();
        assertThat(bus.devices()).containsExactly(physical);
        assertThat(physical.sriov().orElseThrow().numVfs()).isZero();
        assertThat(function.enabled()).isFalse();
    }

    @Test
    void aUserWhoStaysKeepsThemAllWithTheirDrivers() {
        bus.register(virtualDriver);
        PciDevice physical = bound();
        bus.setNumVfs(physical, 3);
        CountDownLatch user = virtualDriver.use(virtual(physical, 1));
        assertErrno(EBUSY, () -> bus.setNumVfs(physical, 0, SHORTLY));
        assertErrno(EBUSY, () -> bus.unbind(physical, SHORTLY));
        assertErrno(EBUSY, () -> bus.remove(physical, SHORTLY));
        assertThat(physical.driver()).contains(driver);
        assertThat(bus.devices()).hasSize(4);
        assertThat(virtualDriver.has)
                .containsExactlyInAnyOrderElementsOf(
                        physical.sriov().orElseThrow().virtualFunctions());
        assertThat(function.enabled()).isTrue();
        user.countDown();
        bus.remove(physical, SHORTLY);
        assertThat(bus.devices()).isEmpty();
    }

    @Test
    void oneThatWasRemovedByItselfIsNotMissedLater() {
        PciDevice physical = bound();
        bus.setNumVfs(physical, 2);
        bus.remove(virtual(physical, 0));
        assertThat(bus.devices()).containsExactly(physical, virtual(physical, 1));
        bus.setNumVfs(physical, 0);
        assertThat(bus.devices()).containsExactly(physical);
    }

    @Test
    void aPhysicalFunctionTakesThoseWithItThatItsDriverLeaves() {
        driver.leavesThemOn = true;
        PciDevice physical = bound();
        bus.setNumVfs(physical, 2);
        bus.unbind(physical);
        assertThat(bus.devices()).hasSize(3);
        bus.remove(physical);
        assertThat(bus.devices()).isEmpty();
        assertThat(function.enabled()).isFalse();
    }

    @Test
    void aResetOfThePhysicalFunctionBringsThemBack() {
        PciDevice physical = bound();
        bus.setNumVfs(physical, 2);
        int bar = function.configRead(SRIOV + PCI_SRIOV_BAR + 12, 4);
        physical.function().reset();
        assertThat(function.resets).isEqualTo(1);
        assertThat(function.enabled()).isTrue();
        assertThat(function.get(PCI_SRIOV_NUM_VF)).isEqualTo(2);
        assertThat(function.get(PCI_SRIOV_SYS_PGSIZE)).isEqualTo(1);
        assertThat(function.configRead(SRIOV + PCI_SRIOV_BAR + 12, 4)).isEqualTo(bar);
        bus.setNumVfs(physical, 0);
        physical.function().reset();
        assertThat(function.enabled()).isFalse();
    }

    @Test
    void aDriverThatFailsOneLeavesItUnbound() {
        FakeDriver picky = new FakeDriver("picky", VF_ID);
        picky.probeErrno = Optional.of(EIO);
        bus.register(picky);
        PciDevice physical = bound();
        bus.setNumVfs(physical, 2);
        assertThat(bus.devices()).hasSize(3);
        assertThat(virtual(physical, 0).driver()).isEmpty();
    }

    @Test
    void thereIsNoneWithoutItsPhysicalFunction() {
        assertThatThrownBy(() -> PciDevice.virtual(bus.add(SECOND, new FakeFunction()), 0, new FakeFunction()))
                .isInstanceOf(java.util.NoSuchElementException.class);
    }

    private PciDevice bound() {
        bus.register(driver);
        return bus.add(FIRST, function);
    }

    private static PciAddress address(int index) {
        // 00:01.0 is 8; 8 + 0x10 + 2 * index
        int id = 8 + FakePhysicalFunction.OFFSET + FakePhysicalFunction.STRIDE * index;
        return new PciAddress(0, 0, id >> 3, id & 7);
    }

    private static PciDevice virtual(PciDevice physical, int index) {
        return physical.sriov().orElseThrow().virtualFunctions().get(index);
    }

    private static final class HeardRemovals implements PciBusListener {

        final List<PciAddress> addresses = new ArrayList<>();

        @Override
        public void added(PciDevice device) {}

        @Override
        public void removed(PciDevice device) {
            addresses.add(device.address());
        }

        @Override
        public void changed(PciDevice device) {}

        @Override
        public void configWritten(PciDevice device) {}
    }
}
