package org.vfio4j.vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_REQ_IRQ_INDEX;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegistry;

/** The generic driver on a bus. */
class VfioPciDriverTest {

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();

    VfioPciDriverTest() {
        bus.provide(VfioRegistry.class, registry);
    }

    @Test
    void refusesAMachineWithoutVfio() {
        PciBus bare = new PciBus();
        bare.loadDrivers();
        PciDevice device = bare.add(PciAddress.parse("08:00.0"), new PlainFunction(0));
        bare.setDriverOverride(device, Optional.of("vfio-pci"));
        assertErrno(Errno.ENODEV, () -> bare.bind(device, "vfio-pci"));
        assertThat(device.driver()).isEmpty();
    }

    @Test
    void refusesABridge() {
        bus.loadDrivers();
        PlainFunction bridge = new PlainFunction(1);
        // From bus 8 to bus 9, the last behind it.
        bridge.configWrite(0x18, 4, 0x090908);
        PciDevice device = bus.add(PciAddress.parse("08:00.0"), bridge);
        bus.setDriverOverride(device, Optional.of("vfio-pci"));
        assertErrno(Errno.EINVAL, () -> bus.bind(device, "vfio-pci"));
        assertThat(registry.devices()).isEmpty();
    }

    @Test
    void takesNothingThatIsNotNamedForIt() {
        bus.loadDrivers();
        PciDevice device = bus.add(PciAddress.parse("08:00.0"), new PlainFunction(0));
        assertThat(bus.probe(device)).isFalse();
        assertErrno(Errno.EINVAL, () -> bus.bind(device, "vfio-pci"));
    }

    @Test
    void isFoundByTheServiceLoader() {
        bus.loadDrivers();
        assertThat(bus.drivers()).extracting(PciDriver::name).contains("vfio-pci");
    }

    @Test
    void givesWhatItIsNamedForToVfioAndTakesItBack() {
        PciDevice device = bound();
        VfioDevice vfio = registry.device("vfio0");
        assertThat(vfio.parentName()).isEqualTo("0000:08:00.0");
        assertThat(vfio.driverName()).isEqualTo("vfio-pci");
        bus.unbind(device);
        assertThat(registry.devices()).isEmpty();
        assertErrno(Errno.ENODEV, vfio::open);
    }

    @Test
    void cannotGoWhileADeviceIsOpen() {
        bound();
        PciDriver driver = bus.drivers().getFirst();
        LocalDeviceFile file = registry.open("vfio0");
        assertErrno(Errno.EBUSY, () -> bus.unregister(driver));
        assertThat(registry.devices()).hasSize(1);
        file.close();
        bus.unregister(driver);
        assertThat(registry.devices()).isEmpty();
    }

    @Test
    void unbindWaitsForTheUser() throws Exception {
        PciDevice device = bound();
        LocalDeviceFile file = registry.open("vfio0");
        Thread unbinding = Thread.ofPlatform().daemon().start(() -> bus.unbind(device));
        while (unbinding.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        assertThat(registry.devices()).hasSize(1);
        file.close();
        unbinding.join();
        assertThat(device.driver()).isEmpty();
    }

    @Test
    void unbindAsksTheUserAtOnceAndThenEveryTenSeconds() throws Exception {
        PciDevice device = bound();
        LocalDeviceFile file = registry.open("vfio0");
        Fd request = EventFd.create();
        file.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                VFIO_PCI_REQ_IRQ_INDEX,
                0,
                1,
                List.of(request.dup())));
        Thread unbinding = Thread.ofPlatform().daemon().start(() -> bus.unbind(device));
        while (EventFd.drain(request.value()) != 1) {
            Thread.onSpinWait();
        }
        file.close();
        unbinding.join();
        assertThat(device.driver()).isEmpty();
        assertThat(VfioRegistry.REQUEST_INTERVAL).isEqualTo(Duration.ofSeconds(10));
        request.close();
    }

    private PciDevice bound() {
        bus.loadDrivers();
        PciDevice device = bus.add(PciAddress.parse("08:00.0"), new PlainFunction(0));
        bus.setDriverOverride(device, Optional.of("vfio-pci"));
        bus.bind(device, "vfio-pci");
        return device;
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
