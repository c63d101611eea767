package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.bus.BusTesting.SECOND;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Who makes, has and loses auxiliary devices (Linux, Documentation/driver-api/auxiliary_bus). */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class AuxiliaryBusTest {

    private static final Duration SHORTLY = Duration.ofMillis(20);
    private static final String NAME = "mlx5_core.vfio_pci.1";

    private final PciBus pci = new PciBus();
    private final AuxiliaryBus bus = pci.auxiliary();
    private final FakeParentDriver core = new FakeParentDriver();
    private final FakeAuxiliaryDriver vfio = new FakeAuxiliaryDriver("mlx5_vfio_pci", "mlx5_core.vfio_pci");

    @ParameterizedTest
    @CsvSource({
        "mlx5_core,''",
        "'',vfio_pci",
        "mlx5_core,vfio.pci",
        "mlx5/core,vfio_pci",
        "mlx5_core,a_name_of_thirty_bytes_and_one",
        "mlx5 core,vfio_pci"
    })
    void refusesANameThatNoDriverCouldMatch(String module, String name) {
        PciDevice parent = parent();
        assertErrno(EINVAL, () -> bus.add(parent, module, name, 7, "data"));
        assertThat(bus.devices()).hasSize(1);
    }

    @Test
    void refusesASecondDeviceOfAName() {
        PciDevice parent = parent();
        assertErrno(EEXIST, () -> bus.add(parent, "mlx5_core", "vfio_pci", 1, "data"));
        core.nextId = 2;
        PciDevice other = pci.add(SECOND, new FakeFunction());
        assertErrno(EEXIST, () -> bus.add(other, "mlx5_core", "vfio_pci", 1, "data"));
    }

    @Test
    void refusesAPartOfADeviceThatNoDriverHas() {
        PciDevice orphan = pci.add(FIRST, new FakeFunction());
        assertErrno(ENODEV, () -> bus.add(orphan, "mlx5_core", "vfio_pci", 1, "data"));
        assertThat(bus.devices()).isEmpty();
    }

    @Test
    void knowsNothingOfWhatIsNotThere() {
        parent();
        AuxiliaryDevice device = bus.device(NAME);
        assertErrno(ENODEV, () -> bus.device("mlx5_core.vfio_pci.2"));
        assertErrno(ENODEV, () -> bus.bind(device, "nobody"));
        assertErrno(ENODEV, () -> bus.unbind(device));
        assertErrno(ENODEV, () -> bus.unregister(vfio));
        assertErrno(ENODEV, () -> bus.reference(vfio));
        bus.delete(device);
        assertErrno(ENODEV, () -> bus.delete(device));
        assertErrno(ENODEV, () -> bus.unbind(device));
    }

    @Test
    void refusesASecondDriverOfAName() {
        bus.register(vfio);
        assertErrno(EBUSY, () -> bus.register(new FakeAuxiliaryDriver("mlx5_vfio_pci")));
    }

    @Test
    void aDeviceTellsItsNameItsParentAndItsPayload() {
        PciDevice parent = parent();
        AuxiliaryDevice device = bus.add(parent, "mlx5_core", "vfio_pci", 2048, Optional.of("payload"));
        assertThat(device).hasToString("mlx5_core.vfio_pci.2048");
        assertThat(device.matchName().name()).isEqualTo("mlx5_core.vfio_pci");
        assertThat(device.modalias()).isEqualTo("auxiliary:mlx5_core.vfio_pci");
        assertThat(device.parent()).containsSame(parent);
        assertThat(device.data(Optional.class)).contains("payload");
        assertThat(device.findData(String.class)).isEmpty();
        assertThatThrownBy(() -> device.data(String.class)).isInstanceOf(ClassCastException.class);
        assertThat(bus.children(parent)).containsExactly(bus.device(NAME), device);
        // The id is one of 32 bits without a sign.
        assertThat(bus.add(parent, "mlx5_core", "sf", -1, "data").name()).isEqualTo("mlx5_core.sf.4294967295");
    }

    @Test
    void aDriverMatchesTheWholeNameUpToTheLastDot() {
        FakeAuxiliaryDriver prefix = new FakeAuxiliaryDriver("prefix", "mlx5_core.vfio", "mlx5_core.vfio_pc");
        FakeAuxiliaryDriver longer = new FakeAuxiliaryDriver("longer", "mlx5_core.vfio_pci_x");
        bus.register(prefix);
        bus.register(longer);
        bus.register(vfio);
        parent();
        assertThat(bus.device(NAME).driver()).contains(vfio);
        assertThat(prefix.calls).isEmpty();
        assertThat(longer.calls).isEmpty();
        assertThat(vfio.calls).containsExactly("probe " + NAME + " by mlx5_core.vfio_pci");
    }

    @Test
    void aDriverFindsDevicesThatWereThereFirst() {
        parent();
        assertThat(bus.device(NAME).driver()).isEmpty();
        bus.register(vfio);
        assertThat(bus.device(NAME).driver()).contains(vfio);
    }

    @Test
    void bindAndUnbindGoByTheDriversName() {
        FakeAuxiliaryDriver other = new FakeAuxiliaryDriver("other", "mlx5_core.eth");
        bus.register(other);
        bus.register(vfio);
        parent();
        AuxiliaryDevice device = bus.device(NAME);
        assertErrno(EBUSY, () -> bus.bind(device, "mlx5_vfio_pci"));
        bus.unbind(device);
        assertThat(device.findDriverData(Object.class)).isEmpty();
        // There is no driver_override by which a driver would take what its table does not name.
        assertErrno(EINVAL, () -> bus.bind(device, "other"));
        vfio.probeErrno = Optional.of(EIO);
        assertErrno(EIO, () -> bus.bind(device, "mlx5_vfio_pci"));
        assertThat(bus.probe(device)).isFalse();
        vfio.probeErrno = Optional.empty();
        bus.bind(device, "mlx5_vfio_pci");
        assertThat(device.driver()).contains(vfio);
    }

    @Test
    void theParentsDriverLosesItsPartsFirst() {
        core.parts = 2;
        bus.register(vfio);
        PciDevice parent = parent();
        AuxiliaryDevice first = bus.children(parent).getFirst();
        pci.unbind(parent);
        assertThat(core.calls).containsExactly("remove 0000:00:01.0, drivers of parts 0");
        assertThat(vfio.calls.subList(2, 4)).containsExactly("remove " + NAME, "remove mlx5_core.vfio_pci.2");
        assertThat(bus.devices()).isEmpty();
        assertErrno(ENODEV, () -> bus.bind(first, "mlx5_vfio_pci"));
        core.nextId = 1;
        pci.bind(parent, "mlx5-core");
        assertThat(bus.device(NAME).driver()).contains(vfio);
        pci.unregister(core);
        assertThat(bus.devices()).isEmpty();
    }

    @Test
    void theParentsDriverMayDeleteItsPartsItself() {
        core.deletesParts = true;
        bus.register(vfio);
        pci.remove(parent());
        assertThat(bus.devices()).isEmpty();
        assertThat(vfio.calls).containsExactly("probe " + NAME + " by mlx5_core.vfio_pci", "remove " + NAME);
    }

    @Test
    void aPartInUseKeepsItsParentAsItWas() {
        core.parts = 2;
        bus.register(vfio);
        PciDevice parent = parent();
        vfio.inUse.add("mlx5_core.vfio_pci.2");
        assertErrno(EBUSY, () -> pci.unbind(parent, SHORTLY));
        assertErrno(EBUSY, () -> pci.remove(parent, SHORTLY));
        assertErrno(EBUSY, () -> bus.delete(bus.device("mlx5_core.vfio_pci.2"), SHORTLY));
        assertThat(core.calls).isEmpty();
        assertThat(parent.driver()).contains(core);
        assertThat(bus.children(parent)).hasSize(2).allSatisfy(part -> {
            assertThat(part.driver()).contains(vfio);
            assertThat(part.driverData(Object.class)).isSameAs(vfio);
        });
        vfio.released.countDown();
        pci.unbind(parent, SHORTLY);
        assertThat(bus.devices()).isEmpty();
    }

    @Test
    void aParentsDriverThatStaysKeepsItsParts() {
        bus.register(vfio);
        PciDevice parent = parent();
        core.removeErrno = Optional.of(EBUSY);
        assertErrno(EBUSY, () -> pci.unbind(parent));
        assertThat(bus.device(NAME).driver()).contains(vfio);
        // And it can have more of them again.
        assertThat(bus.add(parent, "mlx5_core", "eth", 1, "data").driver()).isEmpty();
        core.deletesParts = true;
        assertErrno(EBUSY, () -> pci.unbind(parent));
        assertThat(bus.devices()).isEmpty();
    }

    @Test
    void whatAProbeThatFailsHasAddedIsDeleted() {
        bus.register(vfio);
        core.probeErrno = Optional.of(EIO);
        assertThat(parent().driver()).isEmpty();
        assertThat(bus.devices()).isEmpty();
        assertThat(vfio.calls).containsExactly("probe " + NAME + " by mlx5_core.vfio_pci", "remove " + NAME);
    }

    @Test
    void aPartMayHavePartsOfItsOwn() {
        FakeAuxiliaryDriver subfunctions = new FakeAuxiliaryDriver("sf", "mlx5_core.sf");
        bus.register(subfunctions);
        bus.register(vfio);
        core.parts = 0;
        PciDevice parent = parent();
        AuxiliaryDevice subfunction = bus.add(parent, "mlx5_core", "sf", 4, "data");
        AuxiliaryDevice below = bus.add(subfunction, "mlx5_core", "vfio_pci", 4, "data");
        assertThat(below.driver()).contains(vfio);
        assertThat(bus.children(parent)).containsExactly(subfunction);
        pci.unbind(parent);
        assertThat(bus.devices()).isEmpty();
        assertThat(vfio.calls).endsWith("remove mlx5_core.vfio_pci.4");
        assertThat(subfunctions.calls).endsWith("remove mlx5_core.sf.4");
    }

    @Test
    void othersGoOnWhileAPartWaitsForItsUserAndTheParentGetsNoMore() throws Exception {
        bus.register(vfio);
        PciDevice parent = parent();
        vfio.inUse.add(NAME);
        Thread unbinding = Thread.ofPlatform().start(() -> pci.unbind(parent));
        vfio.waiting.await();
        assertErrno(ENODEV, () -> bus.add(parent, "mlx5_core", "vfio_pci", 9, "data"));
        assertErrno(EBUSY, () -> bus.unbind(bus.device(NAME), SHORTLY));
        assertThat(bus.device(NAME).driver()).contains(vfio);
        core.nextId = 2;
        PciDevice other = pci.add(SECOND, new FakeFunction());
        assertThat(bus.children(other)).hasSize(1);
        bus.unbind(bus.children(other).getFirst(), SHORTLY);
        vfio.released.countDown();
        unbinding.join();
        assertThat(bus.children(parent)).isEmpty();
        assertThat(parent.driver()).isEmpty();
    }

    @Test
    void aDriverInUseStays() {
        bus.register(vfio);
        parent();
        DriverReference reference = bus.reference(vfio);
        assertErrno(EBUSY, () -> bus.unregister(vfio));
        reference.close();
        bus.unregister(vfio);
        assertThat(bus.device(NAME).driver()).isEmpty();
        assertThat(bus.drivers()).isEmpty();
    }

    @Test
    void listenersHearWhatHappenedInItsOrder() {
        List<String> heard = new ArrayList<>();
        bus.addListener(new AuxiliaryBusListener() {
            @Override
            public void added(AuxiliaryDevice device) {
                heard.add("added " + device);
            }

            @Override
            public void removed(AuxiliaryDevice device) {
                heard.add("removed " + device);
            }

            @Override
            public void changed(AuxiliaryDevice device) {
                heard.add("changed " + device.driver().map(AuxiliaryDriver::name).orElse("-"));
            }
        });
        bus.register(vfio);
        pci.unbind(parent());
        assertThat(heard).containsExactly("added " + NAME, "changed mlx5_vfio_pci", "changed -", "removed " + NAME);
    }

    private PciDevice parent() {
        if (pci.drivers().isEmpty()) {
            pci.register(core);
        }
        return pci.add(FIRST, new FakeFunction());
    }
}
