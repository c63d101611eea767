package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.BusDevice;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.mlx5core.Mlx5VfioPciDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.virtioblk.VirtioBlk;

/** How a function that a DPU emulates finds its driver, by way of the auxiliary bus, and how it loses it again. */
class SnapBindingTest {

    private final MemoryBackend storage = new MemoryBackend(1 << 20);
    private final Host host = new Host();

    @AfterEach
    void close() {
        host.close();
        storage.close();
    }

    @Test
    void eachDiskHasAPartOfItsNetworkFunctionNamedByItsRoutingId() {
        host.addDisk(0, PciAddress.parse("08:00.0"), storage);
        host.addDisk(1, PciAddress.parse("09:00.0"), storage);
        List<PciDevice> networkFunctions = host.dpu.networkFunctions();
        assertThat(names(networkFunctions.get(0))).containsExactly("mlx5_core.vfio_pci.2048");
        assertThat(names(networkFunctions.get(1))).containsExactly("mlx5_core.vfio_pci.2304");
        AuxiliaryDevice part = host.bus.auxiliary().device("mlx5_core.vfio_pci.2048");
        assertThat(part.parent()).contains(networkFunctions.get(0));
        assertThat(part.data(Mlx5VfioPciDevice.class).function()).isSameAs(device("08:00.0"));
        assertThat(part.driver()).get().hasFieldOrPropertyWithValue("class", Mlx5VfioPciAuxiliaryDriver.class);
        assertThat(device("08:00.0").driver().map(PciDriver::name)).contains("mlx5-vfio-pci");
        assertThat(host.registry.devices()).hasSize(2);
    }

    @Test
    void nobodyElseGetsTheFunctionWhileThePartIsThere() {
        host.addDisk(storage);
        host.bus.unbind(device("08:00.0"));
        host.bus.register(new Greedy());
        assertErrno(EINVAL, () -> host.bus.bind(device("08:00.0"), Greedy.NAME));
        host.bus.bind(device("08:00.0"), Mlx5VfioPciDriver.NAME);
        host.bus.unbind(host.dpu.networkFunctions().get(0));
        assertThat(device("08:00.0").driver()).isEmpty();
        assertThat(device("08:00.0").driverOverride()).isEmpty();
        host.bus.bind(device("08:00.0"), Greedy.NAME);
    }

    @Test
    void aFunctionThatSomebodyElseHasStaysHisUntilHeLetsGo() {
        host.bus.unbind(host.dpu.networkFunctions().get(0));
        host.addDisk(storage);
        host.bus.register(new Greedy());
        assertThat(device("08:00.0").driver().map(PciDriver::name)).contains(Greedy.NAME);
        host.bus.probe(host.dpu.networkFunctions().get(0));
        AuxiliaryDevice part = host.bus.auxiliary().device("mlx5_core.vfio_pci.2048");
        assertThat(part.driver()).isEmpty();
        assertThat(device("08:00.0").driver().map(PciDriver::name)).contains(Greedy.NAME);
        host.bus.unbind(device("08:00.0"));
        assertThat(host.bus.auxiliary().probe(part)).isTrue();
        assertThat(device("08:00.0").driver().map(PciDriver::name)).contains(Mlx5VfioPciDriver.NAME);
    }

    @Test
    void noFunctionIsDrivenWithoutItsPart() {
        host.addDisk(storage);
        host.bus.auxiliary().unbind(host.bus.auxiliary().device("mlx5_core.vfio_pci.2048"));
        assertThat(device("08:00.0").driver()).isEmpty();
        assertErrno(ENODEV, () -> host.bus.bind(device("08:00.0"), Mlx5VfioPciDriver.NAME));
    }

    @Test
    void aDiskComesAndGoesWhileTheMachineRuns() {
        SnapFunction snap = host.addDisk(storage);
        assertThat(host.dpu.functions()).containsExactly(snap);
        host.delete(snap);
        assertThat(host.registry.devices()).isEmpty();
        assertThat(host.bus.auxiliary().devices()).isEmpty();
        assertThat(host.dpu.functions()).isEmpty();
        assertErrno(ENODEV, () -> device("08:00.0"));
        assertThat(host.addDisk(storage).vhcaId()).isNotEqualTo(snap.vhcaId());
        assertThat(host.registry.devices()).hasSize(1);
    }

    @Test
    void aDiskInUseIsNotDeletedAndTheDriverIsNotTaken() {
        SnapFunction snap = host.addDisk(storage);
        try (LocalDeviceFile file = host.vfioDevice("0000:08:00.0").open()) {
            assertErrno(EBUSY, () -> host.dpu.delete(snap, Duration.ofMillis(1)));
            PciDevice parent = host.dpu.networkFunctions().get(0);
            assertErrno(EBUSY, () -> host.bus.unbind(parent, Duration.ofMillis(1)));
            assertThat(parent.driver()).isPresent();
            file.reset();
        }
        host.delete(snap);
        assertThat(host.registry.devices()).isEmpty();
    }

    @Test
    void theDriversMayComeInAnyOrder() {
        PciBus bus = new PciBus();
        VfioRegistry registry = new VfioRegistry();
        bus.provide(VfioRegistry.class, registry);
        try (Bluefield dpu = new Bluefield(bus, PciAddress.parse("07:00.0"))) {
            dpu.createVirtioBlk(0, Host.FIRST_DISK, VirtioBlk.builder(storage).build());
            bus.register(new Mlx5CoreDriver());
            bus.auxiliary().register(new Mlx5VfioPciAuxiliaryDriver());
            assertThat(registry.devices()).isEmpty();
            bus.register(new Mlx5VfioPciDriver());
            assertThat(registry.devices()).hasSize(1);
        }
        assertThat(registry.devices()).isEmpty();
        assertThat(bus.devices()).isEmpty();
    }

    private List<String> names(PciDevice parent) {
        return host.bus.auxiliary().children(parent).stream()
                .map(BusDevice::name)
                .toList();
    }

    private PciDevice device(String address) {
        return host.bus.device(PciAddress.parse(address));
    }

    static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    /** Takes every virtio disk, as an operating system's driver does. */
    private static final class Greedy implements PciDriver {

        static final String NAME = "virtio-pci";

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public List<PciDeviceId> idTable() {
            return List.of(PciDeviceId.of(0x1af4, PciDeviceId.ANY));
        }

        @Override
        public void probe(PciDevice device) {
            device.setDriverData(Optional.empty());
        }

        @Override
        public void remove(PciDevice device) {}
    }
}
