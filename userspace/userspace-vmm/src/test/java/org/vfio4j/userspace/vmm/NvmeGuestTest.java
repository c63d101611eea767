package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.sys.ErrnoException;

/** What of a guest's move is special when its disk is a namespace of an NVMe controller: see {@link MigrationTest} for the rest. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class NvmeGuestTest {

    private static final long DISK_BYTES = 16 << 20;
    private static final DiskGuestOptions LOAD =
            DiskGuestOptions.RANDOM_WRITES.withReadPercent(30).withDirtyBytesPerSecond(20_000_000);

    @Test
    void doesNotFitAnotherKindOrSizeOfDisk() {
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                MemoryBackend larger = new MemoryBackend(2 * DISK_BYTES);
                Host source = new Host(storage, true);
                Host virtio = new Host(storage);
                Host other = new Host(larger, true)) {
            VirtualMachine machine = source.boot(LOAD);
            for (Host host : new Host[] {virtio, other}) {
                try (Link link = Link.open()) {
                    Arrival arrival = new Arrival(host, link.destination());
                    assertThatThrownBy(() -> new MigrationSource(
                                            machine, link.source(), MigrationOptions.DEFAULTS, p -> {})
                                    .run())
                            .isInstanceOf(PeerFailure.class)
                            .hasMessageContaining(host.equals(virtio) ? "'nvme-verify'" : "another size");
                    arrival.failure();
                }
                Guests.goesOn(machine);
            }
            Guests.finish(machine);
        }
    }

    /** What a driver takes over may be anything. */
    @Test
    void aStateThatIsNoneIsRefused() {
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Host host = new Host(storage, true)) {
            VirtualMachine machine = host.boot(LOAD);
            Guests.awaitWork(machine, 100);
            machine.guest().stop();
            byte[] state = machine.guest().save();
            GuestLoader loader = DiskGuest.loader(machine.device());
            Random random = new Random(3);
            for (int i = 0; i < 300; i++) {
                byte[] changed = state.clone();
                for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
                    changed[random.nextInt(changed.length)] = (byte) random.nextInt();
                }
                try {
                    Guest other = loader.load(machine.device(), machine.memory(), changed);
                    other.forget();
                } catch (ErrnoException e) {
                    assertThat(e).hasMessageMatching("(?s).+");
                }
            }
            Guest again = loader.load(machine.device(), machine.memory(), state);
            machine.guest().forget();
            VirtualMachine resumed = new VirtualMachine(machine.device(), machine.memory(), again);
            again.forget();
            Guests.leave(resumed);
        }
    }
}
