package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.*;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.avfdriver.AvfRegisters;
import org.vfio4j.i40evf.I40eVf;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;

/** BAR0's two pages of tail registers: mapped by the user, taken away while the device migrates, and given back. */
class MappedTailsTest {

    private static final int REMAP_IRQ = VFIO_PCI_NUM_IRQS;
    private static final List<Area> TAIL_PAGES = List.of(new Area(0, 0x1000), new Area(0x2000, 0x1000));

    private final NetworkLink link = new NetworkLink();
    private final Host host = new Host(I40eMigration.V1);
    private final Path socket = host.serve(
            I40eVf.builder(link.addPort()).macAddress("02:00:00:00:00:01").mappableTails());
    private final Vm vm = new Vm(socket, 1);
    private final Vm peer = new Vm(host.serve(link.addPort(), "02:00:00:00:00:02"), 2);
    private final Fd remap = EventFd.create();

    @AfterEach
    void close() {
        vm.close();
        peer.close();
        host.close();
        remap.close();
    }

    @Test
    void theUserIsToldWhenWhatItCanMapChanges() {
        MigrationRegion region = new MigrationRegion(vm.device);
        vm.device.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, REMAP_IRQ, 0, 1, List.of(remap.dup())));
        assertThat(areas()).contains(TAIL_PAGES);
        region.setState(VFIO_DEVICE_STATE_RUNNING_V1 | VFIO_DEVICE_STATE_SAVING_V1);
        assertThat(EventFd.drain(remap.value())).isEqualTo(1);
        assertThat(areas()).isEmpty();
        assertThat(vm.device.regionMemory(VFIO_PCI_BAR0_REGION_INDEX)).isEmpty();
        region.setState(VFIO_DEVICE_STATE_RUNNING_V1);
        assertThat(EventFd.drain(remap.value())).isEqualTo(1);
        assertThat(areas()).contains(TAIL_PAGES);
    }

    @Test
    void framesGoByMappedTailsAndByTrappedOnesAlike() {
        AvfRegisters trapped = vm.registers();
        Fd memory =
                vm.device.regionMemory(VFIO_PCI_BAR0_REGION_INDEX).orElseThrow().fd();
        try (Mapping pages = Mapping.shared(memory, 0, 0x3000, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            vm.driver.moveTo(mapped(pages, trapped));
            exchange(1);
            new MigrationRegion(vm.device).setState(VFIO_DEVICE_STATE_RUNNING_V1 | VFIO_DEVICE_STATE_SAVING_V1);
            vm.driver.moveTo(trapped);
            exchange(2);
            new MigrationRegion(vm.device).setState(VFIO_DEVICE_STATE_RUNNING_V1);
            vm.driver.moveTo(mapped(pages, trapped));
            exchange(3);
        }
    }

    private void exchange(int number) {
        vm.tx.send(vm.frameTo(peer, number));
        assertThat(Vm.number(peer.rx.receive())).isEqualTo(number);
        peer.tx.send(peer.frameTo(vm, number));
        assertThat(Vm.number(vm.rx.receive())).isEqualTo(number);
    }

    private Optional<List<Area>> areas() {
        return VfioRegionCapabilities.sparseAreas(
                vm.device.regionInfo(VFIO_PCI_BAR0_REGION_INDEX).capabilities());
    }

    private static AvfRegisters mapped(Mapping pages, AvfRegisters others) {
        return new AvfRegisters() {
            @Override
            public int read(int offset) {
                return others.read(offset);
            }

            @Override
            public void write(int offset, int value) {
                boolean tail = offset < 0x1000 || (offset >= TailTracking.RX_TAILS && offset < 0x3000);
                if (tail) {
                    RawMemory.putIntRelease(pages.address() + offset, value);
                } else {
                    others.write(offset, value);
                }
            }
        };
    }
}
