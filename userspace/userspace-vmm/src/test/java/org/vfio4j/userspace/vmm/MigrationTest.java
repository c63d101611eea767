package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.userspace.vmm.Guests.awaitWork;
import static org.vfio4j.userspace.vmm.Guests.finish;
import static org.vfio4j.userspace.vmm.Guests.goesOn;
import static org.vfio4j.userspace.vmm.Guests.guest;
import static org.vfio4j.userspace.vmm.Guests.leave;
import static org.vfio4j.userspace.vmm.Guests.pause;
import static org.vfio4j.userspace.vmm.Guests.work;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationState;

/**
 * A guest moves between two hypervisors, each with a server of its own; the disk's storage is shared. Whether the disk is a virtio one or a
 * namespace of an NVMe controller makes no difference.
 */
@ParameterizedClass
@EnumSource
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class MigrationTest {

    private static final long DISK_BYTES = 16 << 20;
    private static final DiskGuestOptions LOAD =
            DiskGuestOptions.RANDOM_WRITES.withReadPercent(30).withDirtyBytesPerSecond(20_000_000);
    private static final MigrationOptions OPTIONS = MigrationOptions.DEFAULTS;

    private final MemoryBackend storage = new MemoryBackend(DISK_BYTES);
    private final GuestDiskKind kind;
    private final Host first;
    private final Host second;

    MigrationTest(GuestDiskKind kind) {
        this.kind = kind;
        first = host(storage);
        second = host(storage);
    }

    private Host host(BlockBackend disk) {
        return new Host(disk, kind == GuestDiskKind.NVME);
    }

    @AfterEach
    void close() {
        first.close();
        second.close();
        storage.close();
    }

    @Test
    void movesToAndFroUnderLoad() {
        VirtualMachine machine = first.boot(LOAD);
        for (int i = 0; i < 6; i++) {
            awaitWork(machine, 300);
            machine = move(machine, i % 2 == 0 ? second : first);
        }
        awaitWork(machine, 300);
        assertThat(guest(machine).counters().moves()).isEqualTo(6);
        DiskGuest.Counters counters = finish(machine);
        assertThat(first.writes() + second.writes())
                .as("each write is done once")
                .isEqualTo(counters.writes());
        assertThat(first.faults() + second.faults()).isZero();
    }

    @Test
    void movesAGuestThatDoesNothing() {
        VirtualMachine machine = move(first.boot(DiskGuestOptions.IDLE), second);
        machine = move(machine, first);
        assertThat(guest(machine).counters().moves()).isEqualTo(2);
        finish(machine);
    }

    /** Each server has the file while the guest is with it, and not before or after. */
    @Test
    void aFileIsWithTheGuest(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("disk.img");
        try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
            image.setLength(DISK_BYTES);
        }
        try (FileBackend here = FileBackend.open(file, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE);
                FileBackend there = FileBackend.openUnclaimed(file, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE);
                Host source = host(here);
                Host destination = host(there)) {
            VirtualMachine machine = source.boot(LOAD);
            for (int i = 0; i < 4; i++) {
                awaitWork(machine, 200);
                assertThatThrownBy(there::claim).isInstanceOf(ErrnoException.class);
                machine = move(machine, destination);
                awaitWork(machine, 200);
                assertThatThrownBy(here::claim).isInstanceOf(ErrnoException.class);
                // Who comes to the disk that was left finds one that answers to nothing but its registers.
                assertThat(source.state()).isEqualTo(VfioMigrationState.RUNNING);
                machine = move(machine, source);
            }
            finish(machine);
        }
    }

    @Test
    void aFileThatAnotherHasKeepsTheGuestHere(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("disk.img");
        try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
            image.setLength(DISK_BYTES);
        }
        Path other = Files.copy(file, directory.resolve("other.img"));
        try (FileBackend here = FileBackend.open(file, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE);
                FileBackend there = FileBackend.openUnclaimed(other, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE);
                Host source = host(here);
                Host destination = host(there)) {
            VirtualMachine machine = source.boot(LOAD);
            try (Link link = Link.open();
                    FileBackend third = FileBackend.open(other, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE)) {
                assertThat(third.readOnly()).isFalse();
                Arrival arrival = new Arrival(destination, link.destination());
                assertThatThrownBy(() -> new MigrationSource(machine, link.source(), OPTIONS, p -> {}).run())
                        .isInstanceOfSatisfying(
                                PeerFailure.class, e -> assertThat(e.errno()).isEqualTo(Errno.EBUSY));
                arrival.failure();
            }
            goesOn(machine);
            finish(machine);
        }
    }

    @Test
    void tellsOfEachRound() {
        VirtualMachine machine = first.boot(LOAD);
        awaitWork(machine, 100);
        List<MigrationProgress> seen = new ArrayList<>();
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(second, link.destination());
            MigrationResult result = new MigrationSource(machine, link.source(), OPTIONS, seen::add).run();
            assertThat(result.rounds()).isEqualTo(seen.getLast().round()).isPositive();
            assertThat(seen.getLast().expectedDowntimeNs()).isLessThanOrEqualTo(OPTIONS.maxDowntimeNs());
            assertThat(result.downtimeNs()).isPositive().isLessThan(result.totalNs());
            assertThat(result.sentBytes()).isGreaterThan(seen.getLast().sentBytes());
            leave(machine);
            finish(arrival.machine());
        }
    }

    @Test
    void aGuestThatIsCalledOffGoesOn() {
        VirtualMachine machine = first.boot(LOAD);
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(second, link.destination());
            // Never short enough, so that rounds go on.
            MigrationOptions endless = OPTIONS.withMaxDowntimeNs(1);
            MigrationSource[] source = new MigrationSource[1];
            source[0] = new MigrationSource(machine, link.source(), endless, progress -> {
                if (progress.round() == 5) {
                    assertThat(source[0].cancel()).isTrue();
                }
            });
            assertThatThrownBy(source[0]::run)
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ECANCELED));
            assertThat(arrival.failure()).isInstanceOf(ErrnoException.class);
        }
        goesOn(machine);
        finish(move(machine, second));
    }

    @Test
    void aGuestThatWritesTooMuchGoesOn() {
        VirtualMachine machine = first.boot(LOAD);
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(second, link.destination());
            MigrationOptions hopeless = OPTIONS.withMaxDowntimeNs(1).withTimeoutNs(200_000_000);
            assertThatThrownBy(() -> new MigrationSource(machine, link.source(), hopeless, p -> {}).run())
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ETIMEDOUT))
                    .hasMessageContaining("stand still");
            arrival.failure();
        }
        goesOn(machine);
        finish(machine);
    }

    /** Wherever the connection ends, the guest runs on one side, or nobody can know on which and it is stopped here. */
    @Test
    void survivesAnEndOfTheConnectionAnywhere() {
        VirtualMachine machine = first.boot(LOAD);
        awaitWork(machine, 300);
        long whole;
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(second, link.destination());
            whole = new MigrationSource(machine, link.source(), OPTIONS, p -> {})
                    .run()
                    .sentBytes();
            leave(machine);
            machine = move(arrival.machine(), first);
        }
        // Wherever in the stream, and in the frames at its end, which are short.
        for (int i = 0; i < 12; i++) {
            long cut = i < 8 ? whole * i / 8 + i : whole - (12 - i) * 40_000L;
            try (Link link = Link.open()) {
                Arrival arrival = new Arrival(second, link.destination());
                VirtualMachine here = machine;
                MigrationChannel source = new CutChannel(link.source(), cut);
                try {
                    new MigrationSource(here, source, OPTIONS, p -> {}).run();
                    leave(here);
                    machine = move(arrival.machine(), first);
                    continue;
                } catch (ErrnoException e) {
                    assertThat(arrival.failure()).isInstanceOf(ErrnoException.class);
                }
            }
            goesOn(machine);
        }
        finish(machine);
    }

    @Test
    void theDestinationsEndIsNoHarm() {
        VirtualMachine machine = first.boot(LOAD);
        for (long cut : new long[] {0, 10, 24, 40, 100}) {
            try (Link link = Link.open()) {
                Arrival arrival = new Arrival(second, new CutChannel(link.destination(), cut));
                MigrationSource source = new MigrationSource(
                        machine, link.source(), OPTIONS.withMaxDowntimeNs(1).withTimeoutNs(1), p -> {});
                assertThatThrownBy(source::run).isInstanceOf(ErrnoException.class);
                arrival.failure();
            }
            goesOn(machine);
        }
        finish(move(machine, second));
    }

    @Test
    void whenNobodyKnowsTheGuestStandsStillUntilSomebodyDoes() {
        VirtualMachine machine = first.boot(LOAD);
        awaitWork(machine, 100);
        try (Link link = Link.open()) {
            // READY goes out, RUNNING does not.
            Arrival arrival = new Arrival(second, new SilentAfterReady(link.destination()));
            MigrationSource source = new MigrationSource(machine, link.source(), OPTIONS, p -> {});
            assertThatThrownBy(source::run).isInstanceOf(MigrationInDoubt.class);
            assertThat(arrival.failure()).isInstanceOf(ErrnoException.class);
            long before = work(machine);
            pause();
            assertThat(work(machine)).isEqualTo(before);
            assertThat(source.cancel()).isFalse();
            source.goOn();
        }
        goesOn(machine);
        finish(machine);
    }

    @Test
    void refusesADiskOfAnotherSizeBeforeAnythingChanges() {
        VirtualMachine machine = first.boot(LOAD);
        try (MemoryBackend larger = new MemoryBackend(2 * DISK_BYTES);
                Host other = host(larger);
                Link link = Link.open()) {
            Arrival arrival = new Arrival(other, link.destination());
            assertThatThrownBy(() -> new MigrationSource(machine, link.source(), OPTIONS, p -> {}).run())
                    .isInstanceOf(PeerFailure.class)
                    // What an NVMe controller's registers say is the same for all sizes.
                    .hasMessageContaining(kind == GuestDiskKind.NVME ? "another size" : String.valueOf(2 * DISK_BYTES));
            arrival.failure();
            assertThat(other.state()).isEqualTo(VfioMigrationState.RUNNING);
        }
        goesOn(machine);
        finish(machine);
    }

    @Test
    void refusesMoreMemoryThanIsAllowed() {
        VirtualMachine machine = first.boot(LOAD);
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(second, link.destination(), Host.MEMORY_BYTES - 1);
            assertThatThrownBy(() -> new MigrationSource(machine, link.source(), OPTIONS, p -> {}).run())
                    .isInstanceOfSatisfying(
                            PeerFailure.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOMEM));
            arrival.failure();
        }
        goesOn(machine);
        finish(machine);
    }

    @Test
    void aPeerThatDoesNothingIsGivenUp() {
        VirtualMachine machine = first.boot(LOAD);
        try (Link link = Link.open(300_000_000)) {
            assertThatThrownBy(() -> new MigrationSource(machine, link.source(), OPTIONS, p -> {}).run())
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ETIMEDOUT));
        }
        goesOn(machine);
        finish(machine);
    }

    private static VirtualMachine move(VirtualMachine machine, Host to) {
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(to, link.destination());
            new MigrationSource(machine, link.source(), OPTIONS, progress -> {}).run();
            VirtualMachine there = arrival.machine();
            leave(machine);
            return there;
        }
    }
}
