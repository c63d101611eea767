package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationState;

/** A guest whose disk is a namespace of an NVMe controller moves as one with a virtio disk does. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class NvmeGuestTest {

    private static final long DISK_BYTES = 16 << 20;
    private static final DiskGuestOptions LOAD =
            DiskGuestOptions.RANDOM_WRITES.withReadPercent(30).withDirtyBytesPerSecond(20_000_000);

    @Test
    void movesToAndFroUnderLoad() {
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Host first = new Host(storage, true);
                Host second = new Host(storage, true)) {
            VirtualMachine machine = first.boot(LOAD);
            for (int i = 0; i < 6; i++) {
                Guests.awaitWork(machine, 300);
                machine = move(machine, i % 2 == 0 ? second : first);
            }
            Guests.awaitWork(machine, 300);
            DiskGuest.Counters counters = Guests.finish(machine);
            assertThat(counters.moves()).isEqualTo(6);
            assertThat(first.writes() + second.writes())
                    .as("each write is done once")
                    .isEqualTo(counters.writes());
            assertThat(first.faults() + second.faults()).isZero();
        }
    }

    /** Each server has the file while the guest is with it. */
    @Test
    void aFileIsWithTheGuest(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("disk.img");
        try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
            image.setLength(DISK_BYTES);
        }
        try (FileBackend here = FileBackend.open(file, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE);
                FileBackend there = FileBackend.openUnclaimed(file, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE);
                Host source = new Host(here, true);
                Host destination = new Host(there, true)) {
            VirtualMachine machine = source.boot(LOAD);
            for (int i = 0; i < 2; i++) {
                Guests.awaitWork(machine, 200);
                assertThatThrownBy(there::claim).isInstanceOf(ErrnoException.class);
                machine = move(machine, destination);
                Guests.awaitWork(machine, 200);
                assertThatThrownBy(here::claim).isInstanceOf(ErrnoException.class);
                assertThat(source.state()).isEqualTo(VfioMigrationState.RUNNING);
                machine = move(machine, source);
            }
            Guests.finish(machine);
        }
    }

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

    private static VirtualMachine move(VirtualMachine machine, Host to) {
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(to, link.destination());
            new MigrationSource(machine, link.source(), MigrationOptions.DEFAULTS, progress -> {}).run();
            VirtualMachine there = arrival.machine();
            Guests.leave(machine);
            return there;
        }
    }
}
