package org.vfio4j.vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.vfiopci.TestMachine.assertErrno;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciRegistration;

/** Registration, and what happens when a device or its driver is taken away from a user. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class UnplugTest {

    private static final Duration SHORTLY = Duration.ofMillis(20);

    private final TestMachine machine = new TestMachine();

    @Test
    void refusesACoreThatIsNotTheDevices() {
        PciDevice first = machine.bus.add(TestMachine.PHYSICAL, TestMachine.function());
        PciDevice second = machine.plain("08:00.0");
        PciDriver wrong = driver(device -> VfioPciCore.create("wrong", second));
        assertRefused(wrong, first, Errno.EINVAL);
        PciDriver onNoBus = driver(device -> new VfioPciCore("wrong", device.function()));
        assertRefused(onNoBus, first, Errno.EINVAL);
    }

    @Test
    void refusesADeviceWithOtherDriverData() {
        PciDevice device = machine.bus.add(TestMachine.PHYSICAL, TestMachine.function());
        PciDriver wrong = driver(taken -> {
            taken.setDriverData("mine");
            return VfioPciCore.create("wrong", taken);
        });
        assertRefused(wrong, device, Errno.EINVAL);
        assertThat(device.findDriverData(Object.class)).isEmpty();
    }

    @Test
    void refusesOperationsWithoutAName() {
        PciDevice device = machine.bus.add(TestMachine.PHYSICAL, TestMachine.function());
        assertRefused(driver(taken -> VfioPciCore.create("", taken)), device, Errno.EINVAL);
    }

    @Test
    void unbindWithALimitAsksTheUserAndLeavesEverythingAsItWas() {
        PciDevice device = machine.plain("08:00.0");
        try (LocalDeviceFile file = machine.registry.open("vfio0");
                Fd requests = EventFd.create()) {
            file.setIrqs(VfioIrqSet.eventFds(
                    Vfio.VFIO_IRQ_SET_DATA_EVENTFD | Vfio.VFIO_IRQ_SET_ACTION_TRIGGER,
                    Vfio.VFIO_PCI_REQ_IRQ_INDEX,
                    0,
                    1,
                    List.of(requests.dup())));
            assertErrno(Errno.EBUSY, () -> machine.bus.unbind(device, SHORTLY));
            assertErrno(Errno.EBUSY, () -> machine.bus.remove(device, SHORTLY));
            assertThat(EventFd.drain(requests.value())).isEqualTo(2);
            assertThat(device.driver()).isPresent();
            assertThat(file.info().numIrqs()).isPositive();
        }
        machine.registry.open("vfio0").close();
        machine.bus.remove(device, SHORTLY);
        assertThat(machine.registry.devices()).isEmpty();
        assertThat(machine.bus.devices()).isEmpty();
    }

    @Test
    void othersOpenAndCloseWhileADeviceIsUnplugged() throws Exception {
        PciDevice device = machine.plain("08:00.0");
        LocalDeviceFile file = machine.registry.open("vfio0");
        Thread unplugging = Thread.ofPlatform().daemon().start(() -> machine.bus.remove(device));
        while (unplugging.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        assertErrno(Errno.ENODEV, () -> machine.registry.open("vfio0"));
        PciDevice other = machine.plain("09:00.0");
        machine.registry.open("vfio1").close();
        machine.bus.unbind(other);
        machine.bus.bind(other, "vfio-pci");
        file.close();
        unplugging.join();
        assertThat(machine.bus.devices()).containsExactly(other);
    }

    @Test
    void hundredsOfBindsUnbindsAndOpensByManyThreadsLeaveEverythingInOrder() throws Exception {
        List<PciDevice> devices = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            devices.add(machine.plain("0" + i + ":00.0"));
        }
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 6; t++) {
            int seed = t;
            threads.add(Thread.ofPlatform().daemon().start(() -> {
                try {
                    for (int i = 0; i < 200; i++) {
                        step(devices.get((i + seed) % devices.size()), i * 5 + seed);
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
        assertThat(machine.registry.devices()).noneMatch(VfioDevice::isOpen);
        assertThat(machine.registry.devices().stream()
                        .map(VfioDevice::parentName)
                        .sorted())
                .containsExactlyElementsOf(devices.stream()
                        .filter(device -> device.driver().isPresent())
                        .map(PciDevice::toString)
                        .toList());
        machine.bus.unregister(machine.bus.drivers().getFirst());
        assertThat(machine.registry.devices()).isEmpty();
    }

    private void step(PciDevice device, int turn) {
        try {
            switch (turn % 4) {
                case 0 -> machine.bus.unbind(device, Duration.ofMillis(1));
                case 1 -> machine.bus.bind(device, "vfio-pci");
                case 2 -> machine.bus.unbind(device);
                default -> machine.registry.open(device.toString()).close();
            }
        } catch (ErrnoException e) {
            assertThat(e.errno()).isIn(Errno.EBUSY, Errno.ENODEV);
        }
    }

    private void assertRefused(PciDriver driver, PciDevice device, int errno) {
        machine.bus.register(driver);
        machine.bus.setDriverOverride(device, Optional.of(driver.name()));
        assertErrno(errno, () -> machine.bus.bind(device, driver.name()));
        assertThat(machine.registry.devices())
                .noneMatch(vfio -> vfio.parentName().equals(device.toString()));
        machine.bus.unregister(driver);
    }

    private interface MakesCore {
        VfioPciCore make(PciDevice device);
    }

    private static PciDriver driver(MakesCore cores) {
        return new PciDriver() {
            @Override
            public String name() {
                return "wrong";
            }

            @Override
            public List<PciDeviceId> idTable() {
                return List.of();
            }

            @Override
            public void probe(PciDevice device) {
                VfioPciCore core = cores.make(device);
                VfioPciRegistration.register(this, device, core, core);
            }

            @Override
            public void remove(PciDevice device) {}
        };
    }
}
