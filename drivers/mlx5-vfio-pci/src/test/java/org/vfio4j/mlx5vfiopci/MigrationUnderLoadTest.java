package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY_P2P;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioPrecopyInfo;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** A guest's disk goes to and fro between two machines while the guest writes to it, over sockets; nothing is lost or done twice. */
class MigrationUnderLoadTest {

    private static final int MOVES = 10;
    private static final long DISK_BYTES = 8 << 20;

    static Stream<Arguments> kindsOfMoves() {
        return Stream.of(DiskKind.values()).flatMap(kind -> Stream.of(arguments(kind, false), arguments(kind, true)));
    }

    @ParameterizedTest
    @MethodSource("kindsOfMoves")
    void eachRequestCompletesOnce(DiskKind kind, boolean precopies) {
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Host first = new Host();
                Host second = new Host()) {
            kind.addTo(first, storage);
            kind.addTo(second, storage);
            Path[] sockets = {first.serve(), second.serve()};
            VfioDeviceFile[] files = {connect(sockets[0]), connect(sockets[1])};
            MovingFile moving = new MovingFile(files[0]);
            long requests;
            try (Guest guest = new Guest(kind.open(moving.seen()), 7)) {
                for (int i = 0; i < MOVES; i++) {
                    guest.awaitMore(300);
                    int from = i % 2;
                    Moves.move(moving, files[1 - from], precopies, guest);
                    // The next user of the one that was left finds it as after a reset.
                    files[from].close();
                    files[from] = connect(sockets[from]);
                }
                guest.awaitMore(300);
                requests = guest.finish();
            }
            assertThat(kind.writes(first) + kind.writes(second)).isEqualTo(requests);
            assertThat(kind.faults(first) + kind.faults(second)).isZero();
            files[0].close();
            files[1].close();
        }
    }

    /** Of a virtio disk: an NVMe controller's state has the time, and changes by itself. */
    @Test
    void whatPreCopyHasReadAndWhatFollowsIsTheState() {
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Host first = new Host();
                Host second = new Host()) {
            first.addDisk(storage);
            second.addDisk(storage);
            MovingFile moving = new MovingFile(first.open());
            VfioDeviceFile source = moving.seen();
            VfioDeviceFile target = second.open();
            try (Guest guest = new Guest(source, 3)) {
                guest.awaitMore(100);
                Vmm.go(source, PRE_COPY);
                VfioPrecopyInfo initial = Vmm.precopyInfo(source);
                assertThat(initial.initialBytes()).isPositive();
                assertThat(initial.dirtyBytes()).isZero();
                byte[] begin = Vmm.readAll(source);
                assertThat(begin).hasSize((int) initial.initialBytes());
                guest.awaitMore(100);
                VfioPrecopyInfo dirty = Vmm.precopyInfo(source);
                assertThat(dirty.initialBytes()).isZero();
                // The indices of one queue have changed, and nothing else.
                assertThat(dirty.dirtyBytes()).isBetween(1L, begin.length / 4L);
                byte[] change = Vmm.readAll(source);
                assertThat(change).hasSize((int) dirty.dirtyBytes());
                Vmm.go(source, PRE_COPY_P2P);
                Vmm.precopyInfo(source);
                byte[] more = Vmm.readAll(source);
                assertThat(Vmm.precopyInfo(source).dirtyBytes()).isZero();
                moving.locked(() -> {
                    Vmm.go(source, STOP_COPY);
                    byte[] end = Vmm.readAll(source);
                    assertThat(end.length).isLessThan(begin.length / 4);
                    Vmm.go(target, RESUMING);
                    for (byte[] piece : new byte[][] {begin, change, more, end}) {
                        if (piece.length > 0) {
                            Vmm.writeAll(target, piece);
                        }
                    }
                    byte[] whole = Vmm.save(target);
                    Vmm.go(source, STOP);
                    assertThat(whole).isEqualTo(Vmm.save(source));
                    // The migration is called off: the source goes on.
                    Vmm.go(source, RUNNING);
                });
                guest.awaitMore(100);
                guest.finish();
            }
        }
    }

    @Test
    void anIdleDeviceHasNothingDirty() {
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Host host = new Host()) {
            host.addDisk(storage);
            VfioDeviceFile file = host.open();
            Vmm.go(file, PRE_COPY);
            long initial = Vmm.precopyInfo(file).initialBytes();
            assertThat(Vmm.readAll(file)).hasSize((int) initial);
            assertThat(Vmm.precopyInfo(file)).isEqualTo(new VfioPrecopyInfo(false, 0, 0));
            assertThat(Vmm.readAll(file)).isEmpty();
            long expected = Vmm.stopCopyLength(file);
            Vmm.go(file, STOP_COPY);
            assertThat((long) Vmm.readAll(file).length).isPositive().isLessThanOrEqualTo(expected);
        }
    }

    private static VfioDeviceFile connect(Path socket) {
        return VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
    }
}
