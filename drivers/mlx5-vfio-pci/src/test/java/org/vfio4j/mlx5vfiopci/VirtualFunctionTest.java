package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.mlx5vfiopci.SnapBindingTest.assertErrno;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ERANGE;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.vfio.LocalDeviceFile;

/** Virtual functions of an emulated one: they are found through their physical function, and live and migrate with its firmware. */
class VirtualFunctionTest {

    private static final int MOVES = 6;
    private static final long DISK_BYTES = 8 << 20;
    private static final String FIRST = "0000:08:00.1";
    private static final String SECOND = "0000:08:00.2";

    private final MemoryBackend storage = new MemoryBackend(1 << 20);
    private final List<MemoryBackend> ofVirtuals =
            List.of(new MemoryBackend(DISK_BYTES), new MemoryBackend(DISK_BYTES));

    @AfterEach
    void close() {
        storage.close();
        ofVirtuals.forEach(MemoryBackend::close);
    }

    @Test
    void theirDriverIsThatOfTheirPhysicalFunction() {
        try (Host host = new Host()) {
            SnapFunction snap = host.addDiskWithVirtualFunctions(storage, ofVirtuals);
            PciDevice physical = host.bus.device(Host.FIRST_DISK);
            host.bus.setNumVfs(physical, 2);
            for (String address : List.of(FIRST, SECOND)) {
                PciDevice virtual = host.bus.device(PciAddress.parse(address));
                assertThat(virtual.physicalFunction()).contains(physical);
                assertThat(virtual.driver().map(PciDriver::name)).contains(Mlx5VfioPciDriver.NAME);
                assertErrno(EACCES, () -> host.vfioDevice(address).open());
            }
            assertThat(host.bus.auxiliary().devices()).hasSize(1);
            assertErrno(ERANGE, () -> host.bus.setNumVfs(physical, 3));
            host.bus.setNumVfs(physical, 0);
            assertThat(host.registry.devices()).hasSize(1);
            host.bus.setNumVfs(physical, 1);
            assertThat(host.registry.devices()).hasSize(2);
            host.delete(snap);
            assertThat(host.registry.devices()).isEmpty();
            assertThat(host.bus.devices()).hasSize(2);
        }
    }

    @Test
    void theyGoWhenTheirUsersHaveAndBeforeTheirPhysicalFunction() {
        try (Host host = new Host()) {
            host.addDiskWithVirtualFunctions(storage, ofVirtuals);
            PciDevice physical = host.bus.device(Host.FIRST_DISK);
            PciDevice network = host.dpu.networkFunctions().get(0);
            host.bus.setNumVfs(physical, 2);
            host.vfioDevice("0000:08:00.0").open(Host.TOKEN).close();
            try (LocalDeviceFile file = host.vfioDevice(SECOND).open(Host.TOKEN)) {
                assertErrno(EBUSY, () -> host.bus.setNumVfs(physical, 0, Duration.ofMillis(1)));
                assertErrno(EBUSY, () -> host.bus.unbind(network, Duration.ofMillis(1)));
                assertThat(physical.sriov().orElseThrow().numVfs()).isEqualTo(2);
                assertThat(host.registry.devices()).hasSize(3);
                file.reset();
            }
            host.bus.unbind(network);
            assertThat(host.registry.devices()).isEmpty();
            assertErrno(ENODEV, () -> host.bus.device(PciAddress.parse(FIRST)));
            host.bus.probe(network);
            host.bus.setNumVfs(physical, 2);
            assertThat(host.registry.devices()).hasSize(3);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void oneMigratesUnderLoadWhileTheOtherIsUsed(boolean precopies) {
        try (MemoryBackend otherStorage = new MemoryBackend(1 << 20);
                Host first = new Host();
                Host second = new Host()) {
            LocalDeviceFile[] files = {prepare(first, storage), prepare(second, otherStorage)};
            LocalDeviceFile neighbour = first.openVirtual(SECOND);
            MovingFile moving = new MovingFile(files[0]);
            long requests;
            try (Guest guest = new Guest(moving.seen(), 5);
                    Guest other = new Guest(neighbour, 6)) {
                for (int i = 0; i < MOVES; i++) {
                    guest.awaitMore(200);
                    Moves.move(moving, files[1 - i % 2], precopies, guest);
                    // The next user of the one that was left finds it as after a reset.
                    files[i % 2].close();
                    files[i % 2] = (i % 2 == 0 ? first : second).openVirtual(FIRST);
                    other.awaitMore(100);
                }
                guest.awaitMore(200);
                requests = guest.finish();
                other.finish();
            }
            assertThat(first.disks().get(1).counters().writes()
                            + second.disks().get(1).counters().writes())
                    .isEqualTo(requests);
        }
    }

    @Test
    void aVirtualFunctionDoesNotTakeThePhysicalOnesState() {
        try (Host host = new Host()) {
            LocalDeviceFile virtual = prepare(host, storage);
            byte[] state;
            try (LocalDeviceFile physical = host.vfioDevice("0000:08:00.0").open(Host.TOKEN)) {
                state = Vmm.save(physical);
            }
            Vmm.go(virtual, RESUMING);
            // It offers VIRTIO_F_SR_IOV.
            assertErrno(EINVAL, () -> Vmm.writeAll(virtual, state));
        }
    }

    private LocalDeviceFile prepare(Host host, MemoryBackend ofPhysical) {
        host.addDiskWithVirtualFunctions(ofPhysical, ofVirtuals);
        host.bus.setNumVfs(host.bus.device(Host.FIRST_DISK), 2);
        return host.openVirtual(FIRST);
    }
}
