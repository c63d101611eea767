package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.bus.BusTesting.ITS_ID;
import static org.vfio4j.bus.BusTesting.SECOND;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Who has whom on a bus: matching, driver_override, bind and unbind, as under /sys/bus/pci. */
class PciBusTest {

    private final PciBus bus = new PciBus();
    private final FakeDriver own = new FakeDriver("native", ITS_ID);
    private final FakeDriver other = new FakeDriver("other", PciDeviceId.of(0x8086, 0x1000));
    private final FakeDriver vfio = new FakeDriver("vfio-like", PciDeviceId.anyWithOverride());

    @Test
    void refusesASecondFunctionAtAnAddress() {
        bus.add(FIRST, new FakeFunction());
        assertErrno(EEXIST, () -> bus.add(FIRST, new FakeFunction()));
    }

    @Test
    void refusesASecondDriverOfAName() {
        bus.register(own);
        assertErrno(EBUSY, () -> bus.register(new FakeDriver("native")));
    }

    @Test
    void knowsNothingOfWhatIsNotThere() {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        assertErrno(ENODEV, () -> bus.device(SECOND));
        assertErrno(ENODEV, () -> bus.bind(device, "nobody"));
        assertErrno(ENODEV, () -> bus.unbind(device));
        assertErrno(ENODEV, () -> bus.unregister(own));
        assertErrno(ENODEV, () -> bus.reference(own));
        assertErrno(ENODEV, () -> bus.service(Runnable.class));
        bus.remove(device);
        assertErrno(ENODEV, () -> bus.remove(device));
    }

    @Test
    void aFunctionFindsADriverThatWasThereFirst() {
        bus.register(other);
        bus.register(own);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        assertThat(device.driver()).contains(own);
        assertThat(other.calls).isEmpty();
    }

    @Test
    void aDriverFindsFunctionsThatWereThereFirst() {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        assertThat(device.driver()).isEmpty();
        bus.register(own);
        assertThat(device.driver()).contains(own);
    }

    @Test
    void theNextDriverIsAskedWhenOneRefuses() {
        own.probeErrno = Optional.of(EIO);
        FakeDriver second = new FakeDriver("second", ITS_ID);
        bus.register(own);
        bus.register(second);
        assertThat(bus.add(FIRST, new FakeFunction()).driver()).contains(second);
        assertThat(own.calls).containsExactly("probe 0000:00:01.0");
    }

    @Test
    void anOverrideOnlyIdMatchesNothingThatIsNotNamedForItsDriver() {
        bus.register(vfio);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        assertErrno(EINVAL, () -> bus.bind(device, "vfio-like"));
        bus.setDriverOverride(device, Optional.of("vfio-like"));
        bus.bind(device, "vfio-like");
        assertThat(device.driver()).contains(vfio);
    }

    @Test
    void aNamedDriverHasTheFunctionWhateverItsIdsAndNoOtherMay() {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        bus.setDriverOverride(device, Optional.of("other"));
        bus.register(own);
        assertThat(device.driver()).isEmpty();
        assertErrno(EINVAL, () -> bus.bind(device, "native"));
        bus.register(other);
        assertThat(device.driver()).contains(other);
    }

    @Test
    void namingADriverChangesNothingForTheOneThatHasTheFunction() {
        bus.register(own);
        bus.register(vfio);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        bus.setDriverOverride(device, Optional.of("vfio-like"));
        assertThat(device.driver()).contains(own);
        bus.unbind(device);
        assertThat(bus.probe(device)).isTrue();
        assertThat(device.driver()).contains(vfio);
        bus.setDriverOverride(device, Optional.empty());
        bus.unbind(device);
        assertThat(bus.probe(device)).isTrue();
        assertThat(device.driver()).contains(own);
    }

    @Test
    void refusesToBindWhatADriverHas() {
        bus.register(own);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        assertErrno(EBUSY, () -> bus.bind(device, "native"));
    }

    @Test
    void bindFailsAsTheProbeDoesAndLeavesTheFunctionFree() {
        bus.register(own);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        bus.unbind(device);
        own.probeErrno = Optional.of(EIO);
        assertErrno(EIO, () -> bus.bind(device, "native"));
        assertThat(device.driver()).isEmpty();
        own.probeErrno = Optional.empty();
        bus.bind(device, "native");
        assertThat(device.driver()).contains(own);
    }

    @Test
    void aDriverGivesItsFunctionsBackBeforeTheyOrItGo() {
        bus.register(own);
        PciDevice first = bus.add(FIRST, new FakeFunction());
        PciDevice second = bus.add(SECOND, new FakeFunction());
        bus.remove(first);
        bus.unregister(own);
        assertThat(own.calls)
                .containsExactly(
                        "probe 0000:00:01.0", "probe 0000:00:02.0", "remove 0000:00:01.0", "remove 0000:00:02.0");
        assertThat(second.driver()).isEmpty();
        assertThat(bus.drivers()).isEmpty();
        assertThat(bus.devices()).containsExactly(second);
    }

    @Test
    void aDriverInUseStaysAndKeepsWhatItHas() {
        bus.register(own);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        DriverReference reference = bus.reference(own);
        DriverReference another = bus.reference(own);
        reference.close();
        reference.close(); // counts once
        assertErrno(EBUSY, () -> bus.unregister(own));
        assertThat(device.driver()).contains(own);
        another.close();
        bus.unregister(own);
        assertThat(device.driver()).isEmpty();
    }

    @Test
    void aDriverThatDoesNotLetGoStaysAndCanBeUsed() {
        bus.register(own);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        own.removeErrno = Optional.of(EBUSY);
        assertErrno(EBUSY, () -> bus.unregister(own));
        assertThat(device.driver()).contains(own);
        bus.reference(own).close();
        own.removeErrno = Optional.empty();
        bus.unregister(own);
        assertThat(bus.drivers()).isEmpty();
    }

    @Test
    void nobodyGetsHoldOfADriverThatIsGoing() {
        PciDriver leaving = new PciDriver() {
            @Override
            public String name() {
                return "leaving";
            }

            @Override
            public List<PciDeviceId> idTable() {
                return List.of(ITS_ID);
            }

            @Override
            public void probe(PciDevice device) {}

            @Override
            public void remove(PciDevice device) {
                assertErrno(ENODEV, () -> bus.reference(this));
            }
        };
        bus.register(leaving);
        bus.add(FIRST, new FakeFunction());
        bus.unregister(leaving);
        assertThat(bus.drivers()).isEmpty();
    }

    @Test
    void driversFindTheMachinesServices() {
        Runnable service = () -> {};
        bus.provide(Runnable.class, service);
        assertThat(bus.service(Runnable.class)).isSameAs(service);
    }

    @Test
    void listenersHearWhatHappenedInItsOrder() {
        HeardEvents heard = new HeardEvents();
        bus.addListener(heard);
        bus.register(own);
        PciDevice device = bus.add(FIRST, new FakeFunction());
        device.function().configWrite(4, 2, 2);
        device.function().reset();
        bus.unbind(device);
        bus.remove(device);
        bus.removeListener(heard);
        bus.add(FIRST, new FakeFunction());
        assertThat(heard.events).containsExactly("added", "changed native", "config", "config", "changed -", "removed");
    }

    @Test
    void anIdThatIsAddedAtRunTimeBindsWhatWaitsForIt() {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        FakeDriver none = new FakeDriver("none");
        bus.register(none);
        PciDeviceId id = PciDeviceId.of(FakeFunction.VENDOR, FakeFunction.DEVICE);
        bus.addId("none", id);
        assertThat(device.driver()).contains(none);
        assertErrno(EEXIST, () -> bus.addId("none", id));
        bus.removeId("none", id);
        assertThat(device.driver()).contains(none);
        bus.unbind(device);
        assertThat(bus.probe(device)).isFalse();
        assertErrno(ENODEV, () -> bus.removeId("none", id));
        assertErrno(ENODEV, () -> bus.addId("nobody", id));
    }

    @Test
    void anIdIsNewUnlessTheDriverTakesEverySuchDevice() {
        bus.register(own);
        bus.register(vfio);
        PciDeviceId oneOfThem = new PciDeviceId(FakeFunction.VENDOR, FakeFunction.DEVICE, 1, 2, 0, 0, false);
        assertErrno(EEXIST, () -> bus.addId("native", oneOfThem));
        bus.addId("native", PciDeviceId.of(FakeFunction.VENDOR, 1));
        bus.addId("vfio-like", oneOfThem); // which it takes by driver_override only
    }

    @Test
    void anIdThatIsTakenBackCoversTheOneThatGoes() {
        bus.register(own);
        PciDeviceId narrow = new PciDeviceId(0x8086, 0x10f5, 1, 2, 0x020000, 0xffffff, false);
        PciDeviceId wide = PciDeviceId.of(0x8086, 0x10f5);
        bus.addId("native", narrow);
        bus.addId("native", wide);
        assertErrno(
                ENODEV, () -> bus.removeId("native", new PciDeviceId(0x8086, 0x10f5, 3, PciDeviceId.ANY, 0, 0, false)));
        assertErrno(ENODEV, () -> bus.removeId("native", ITS_ID)); // is the driver's own
        bus.removeId("native", wide);
        assertErrno(EEXIST, () -> bus.addId("native", narrow)); // wide is still there
        bus.removeId("native", wide);
        bus.addId("native", narrow);
    }

    @Test
    void aDriverThatIsRegisteredMayAddIds() {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        PciDriver adding = new PciDriver() {
            @Override
            public String name() {
                return "adding";
            }

            @Override
            public List<PciDeviceId> idTable() {
                return List.of();
            }

            @Override
            public void probe(PciDevice device) {}

            @Override
            public void remove(PciDevice device) {}

            @Override
            public void registered(PciBus bus) {
                bus.addId("adding", ITS_ID);
            }
        };
        bus.register(adding);
        assertThat(device.driver()).contains(adding);
    }

    @Test
    void theVfioDriverThatKnowsADeviceBestComesFirst() {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        bus.register(new FakeDriver("generic", PciDeviceId.anyWithOverride()));
        bus.register(new FakeDriver(
                "vendor", PciDeviceId.anyWithOverride(), PciDeviceId.vfio(FakeFunction.VENDOR, FakeFunction.DEVICE)));
        bus.register(new FakeDriver("other", PciDeviceId.vfio(0x15b3, 0x101e)));
        bus.register(new FakeDriver("native", PciDeviceId.of(0x8086, 0x154c)));
        assertThat(bus.vfioDrivers(device.modalias()))
                .containsExactly(
                        new DriverAlias("vendor", "vfio_pci:v00001AF4d00001042sv*sd*bc*sc*i*"),
                        new DriverAlias("generic", "vfio_pci:v*d*sv*sd*bc*sc*i*"));
        assertThat(device.driver()).isEmpty();
    }
}
