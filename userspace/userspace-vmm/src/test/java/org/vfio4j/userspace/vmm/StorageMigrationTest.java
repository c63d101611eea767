package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.TrackedBackend;
import org.vfio4j.block.WriteMap;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/** A guest moves and takes the storage of its disk along, which each server has for itself, while it writes to it. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class StorageMigrationTest {

    private static final long DISK_BYTES = (8 << 20) + 512;
    private static final DiskGuestOptions LOAD = new DiskGuestOptions(4, 30, 5_000_000);
    private static final MigrationOptions OPTIONS =
            MigrationOptions.DEFAULTS.withMaxDowntimeNs(200_000_000).withTimeoutNs(60_000_000_000L);

    @TempDir
    Path directory;

    private Side first;
    private Side second;

    /** A server with a storage of its own. */
    private static final class Side implements AutoCloseable {
        final TrackedBackend storage;
        final Host host;

        Side(TrackedBackend storage) {
            this.storage = storage;
            host = new Host(storage);
        }

        @Override
        public void close() {
            host.close();
            storage.close();
        }
    }

    @BeforeEach
    void open() throws IOException {
        first = new Side(new TrackedBackend(MemoryBackend.shareable(DISK_BYTES)));
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(DISK_BYTES);
            // What was there before is no part of what comes.
            file.write(new byte[] {1, 2, 3});
        }
        second = new Side(new TrackedBackend(FileBackend.open(image, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE)));
    }

    @AfterEach
    void close() {
        first.close();
        second.close();
    }

    @Test
    void storageMovesToAndFroUnderLoad() {
        VirtualMachine machine = first.host.boot(LOAD);
        for (int i = 0; i < 4; i++) {
            Guests.awaitWork(machine, 200);
            Side from = i % 2 == 0 ? first : second;
            Side to = i % 2 == 0 ? second : first;
            machine = move(machine, from, to);
        }
        assertThat(Guests.guest(machine).counters().moves()).isEqualTo(4);
        Guests.awaitWork(machine, 200);
        Guests.finish(machine);
    }

    /** What the guest has never written as well, and what was there before does not stay. */
    @Test
    void allOfItComes() {
        fill(first, 1);
        fill(second, 2);
        VirtualMachine machine = move(first.host.boot(DiskGuestOptions.IDLE), first, second);
        assertThat(contents(second)).isEqualTo(contents(first));
        fill(first, 3);
        machine = move(machine, second, first);
        assertThat(contents(first)).isEqualTo(contents(second));
        Guests.finish(machine);
    }

    @Test
    void tellsHowMuchStorageIsLeft() {
        VirtualMachine machine = first.host.boot(LOAD);
        Guests.awaitWork(machine, 200);
        long[] most = new long[1];
        try (Link link = Link.open();
                Copy copy = new Copy(first, second)) {
            Arrival arrival = new Arrival(second.host, link.destination(), 1L << 30, copy.targets());
            MigrationResult result = new MigrationSource(
                            machine,
                            link.source(),
                            OPTIONS,
                            p -> most[0] = Math.max(most[0], p.storageLeftBytes()),
                            copy.sources())
                    .run();
            assertThat(result.sentBytes()).isPositive();
            Guests.finish(arrival.machine());
        }
        Guests.leave(machine);
        assertThat(most[0]).isPositive().isLessThanOrEqualTo(DISK_BYTES + 4096);
    }

    /** Wherever the connection ends. */
    @Test
    void theSourceGoesOnWithItsOwn() {
        VirtualMachine machine = first.host.boot(LOAD);
        Guests.awaitWork(machine, 200);
        for (int i = 0; i < 8; i++) {
            try (Link link = Link.open();
                    Copy copy = new Copy(first, second)) {
                Arrival arrival = new Arrival(second.host, link.destination(), 1L << 30, copy.targets());
                MigrationChannel cut = new CutChannel(link.source(), 1000 + i * 400_000L);
                MigrationOptions endless = OPTIONS.withMaxDowntimeNs(1);
                assertThatThrownBy(() -> new MigrationSource(machine, cut, endless, p -> {}, copy.sources()).run())
                        .isInstanceOf(ErrnoException.class);
                arrival.failure();
            }
            Guests.goesOn(machine);
        }
        Guests.finish(machine);
    }

    @Test
    void aFullDestinationKeepsTheGuestHere() {
        VirtualMachine machine = first.host.boot(LOAD);
        Guests.awaitWork(machine, 500);
        // At once, and in the last moment.
        for (int after : new int[] {0, 20}) {
            try (Link link = Link.open();
                    Copy copy = new Copy(first, second)) {
                List<TargetDisk> full = List.of(new FullDisk(copy.targets().getFirst(), after));
                Arrival arrival = new Arrival(second.host, link.destination(), 1L << 30, full);
                MigrationOptions endless = OPTIONS.withMaxDowntimeNs(1);
                assertThatThrownBy(() ->
                                new MigrationSource(machine, link.source(), endless, p -> {}, copy.sources()).run())
                        .isInstanceOfSatisfying(
                                PeerFailure.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOSPC));
                arrival.failure();
            }
            Guests.goesOn(machine);
        }
        Guests.finish(machine);
    }

    @Test
    void bothSidesHaveToWantIt() {
        VirtualMachine machine = first.host.boot(LOAD);
        try (Copy copy = new Copy(first, second)) {
            refused(machine, copy.sources(), List.of(), "comes along");
            refused(machine, List.of(), copy.targets(), "does not come along");
            Fd none = Fd.none();
            refused(machine, copy.sources(), List.of(new FileTargetDisk(none, DISK_BYTES - 512)), "the one here");
            refused(
                    machine,
                    copy.sources(),
                    List.of(copy.targets().getFirst(), copy.targets().getFirst()),
                    "2");
        }
        Guests.goesOn(machine);
        Guests.finish(machine);
    }

    private void refused(VirtualMachine machine, List<SourceDisk> from, List<TargetDisk> to, String why) {
        try (Link link = Link.open()) {
            Arrival arrival = new Arrival(second.host, link.destination(), 1L << 30, to);
            assertThatThrownBy(() -> new MigrationSource(machine, link.source(), OPTIONS, p -> {}, from).run())
                    .isInstanceOf(PeerFailure.class)
                    .hasMessageContaining(why);
            arrival.failure();
        }
    }

    private static VirtualMachine move(VirtualMachine machine, Side from, Side to) {
        try (Link link = Link.open();
                Copy copy = new Copy(from, to)) {
            Arrival arrival = new Arrival(to.host, link.destination(), 1L << 30, copy.targets());
            new MigrationSource(machine, link.source(), OPTIONS, p -> {}, copy.sources()).run();
            VirtualMachine there = arrival.machine();
            Guests.leave(machine);
            return there;
        }
    }

    private static void fill(Side side, long seed) {
        byte[] bytes = new byte[(int) DISK_BYTES];
        new Random(seed).nextBytes(bytes);
        // Of which some is zero, up to within a block.
        Arrays.fill(bytes, 1 << 20, (3 << 20) + 512, (byte) 0);
        try (Fd data = side.storage.openData(true);
                Arena arena = Arena.ofConfined()) {
            new FileTargetDisk(data, DISK_BYTES).write(0, arena.allocateFrom(JAVA_BYTE, bytes));
        }
    }

    private static byte[] contents(Side side) {
        try (Fd data = side.storage.openData(false);
                Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate(DISK_BYTES);
            new FileSourceDisk(data, DISK_BYTES, 512, wanted -> {}).read(0, all);
            return all.toArray(JAVA_BYTE);
        }
    }

    /** What a migration needs to copy one storage into another. */
    private static final class Copy implements AutoCloseable {
        private final Side from;
        private final Fd source;
        private final Fd target;
        private final WriteMap map;

        Copy(Side from, Side to) {
            this.from = from;
            map = from.storage.startTracking();
            source = from.storage.openData(false);
            target = to.storage.openData(true);
        }

        List<SourceDisk> sources() {
            return List.of(new FileSourceDisk(source, DISK_BYTES, map.blockBytes(), map::takeMarked));
        }

        List<TargetDisk> targets() {
            return List.of(new FileTargetDisk(target, DISK_BYTES));
        }

        @Override
        public void close() {
            from.storage.stopTracking();
            source.close();
            target.close();
        }
    }

    /** Takes so many writes. */
    private static final class FullDisk implements TargetDisk {
        private final TargetDisk disk;
        private int left;

        FullDisk(TargetDisk disk, int writes) {
            this.disk = disk;
            left = writes;
        }

        @Override
        public long sizeBytes() {
            return disk.sizeBytes();
        }

        @Override
        public void write(long offset, MemorySegment from) {
            if (left-- <= 0) {
                throw new ErrnoException(Errno.ENOSPC, "write");
            }
            disk.write(offset, from);
        }

        @Override
        public void zero(long offset, long length) {
            disk.zero(offset, length);
        }

        @Override
        public void sync() {
            disk.sync();
        }
    }
}
