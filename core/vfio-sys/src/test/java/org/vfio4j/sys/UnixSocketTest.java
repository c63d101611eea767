package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;
import static org.vfio4j.sys.Failures.assertFails;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnixSocketTest {

    private static final int STARTS = 300;
    private static final int STARTERS = 4;
    private static final int O_PATH = 0x200000;

    private final OpenFds fds = new OpenFds();

    @TempDir
    Path directory;

    @AfterEach
    void leavesNoDescriptor() {
        fds.assertNoneLeft();
    }

    @Test
    void refusesAPathThatIsTooLong() {
        Path path = directory.resolve("s".repeat(120));
        String lengths = path.toString().length() + " bytes, the limit is 107";
        assertFails(ENAMETOOLONG, () -> UnixSocket.listen(path, 1)).contains(lengths);
        assertFails(ENAMETOOLONG, () -> UnixSocket.connect(path)).contains(lengths);
    }

    @Test
    void takesThelongestPath() {
        Path path = directory.resolve(
                "s".repeat(UnixSocket.MAX_PATH_BYTES - directory.toString().length() - 1));
        try (Fd listening = UnixSocket.listen(path, 1);
                Fd client = UnixSocket.connect(path)) {
            assertThat(client.isOpen()).isTrue();
            Fd.own(UnixSocket.accept(listening.value())).close();
        }
    }

    @Test
    void whatWasSentBeforeTheEndOfReceivingIsReceivedAndNothingElse() {
        UnixSocket.Pair pair = UnixSocket.pair();
        try (Fd here = pair.first();
                Fd there = pair.second();
                SocketIo io = new SocketIo(1);
                Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(4);
            assertThat(send(io, there, bytes)).isEqualTo(4);
            UnixSocket.endReceiving(here);
            assertThat(send(io, there, bytes)).isEqualTo(-EPIPE);
            assertThat(io.recv(here.value(), bytes, 0, 4, SocketIo.MSG_DONTWAIT))
                    .isEqualTo(4);
            assertThat(io.recv(here.value(), bytes, 0, 4, SocketIo.MSG_DONTWAIT))
                    .isZero();
            // The other way stays open.
            assertThat(send(io, here, bytes)).isEqualTo(4);
        }
    }

    private static long send(SocketIo io, Fd socket, MemorySegment bytes) {
        return io.send(socket.value(), bytes, 0, bytes.byteSize(), new int[0], 0, SocketIo.MSG_DONTWAIT);
    }

    @Test
    void refusesAnEmptyPath() {
        assertFails(EINVAL, () -> UnixSocket.listen(Path.of(""), 1));
        assertFails(EINVAL, () -> UnixSocket.connect(Path.of("")));
    }

    @Test
    void refusesToReplaceWhatIsNoSocket() throws Exception {
        Path path = Files.writeString(directory.resolve("file"), "precious");
        assertFails(EEXIST, () -> UnixSocket.listen(path, 1)).contains(path.toString(), "no socket");
        assertThat(path).hasContent("precious");
    }

    @Test
    void refusesASymbolicLink() throws Exception {
        Path link = Files.createSymbolicLink(directory.resolve("link"), directory.resolve("nowhere"));
        assertFails(EEXIST, () -> UnixSocket.listen(link, 1));
    }

    @Test
    void refusesADirectoryThatIsMissing() {
        assertFails(ENOENT, () -> UnixSocket.listen(directory.resolve("no/s"), 1))
                .contains("no/s");
    }

    @Test
    void refusesAPathWhereSomebodyListens() {
        Path path = directory.resolve("s");
        try (Fd listening = UnixSocket.listen(path, 4)) {
            assertFails(EADDRINUSE, () -> UnixSocket.listen(path, 1)).contains(path.toString());
            Fd.own(UnixSocket.accept(listening.value())).close();
            try (Fd client = UnixSocket.connect(path)) {
                assertThat(client.isOpen()).as("the first one still listens").isTrue();
            }
        }
    }

    @Test
    void aListenerWhoseQueueIsFullListens() {
        Path path = directory.resolve("s");
        try (Fd listening = UnixSocket.listen(path, 0);
                Fd waiting = UnixSocket.connect(path)) {
            assertFails(EADDRINUSE, () -> UnixSocket.listen(path, 1));
            assertThat(listening.isOpen() && waiting.isOpen()).isTrue();
        }
    }

    @Test
    void replacesASocketThatNobodyListensOn() {
        Path path = directory.resolve("s");
        UnixSocket.listen(path, 1).close();
        assertThat(path).exists();
        try (Fd listening = UnixSocket.listen(path, 1);
                Fd client = UnixSocket.connect(path)) {
            Fd.own(UnixSocket.accept(listening.value())).close();
            assertThat(client.isOpen()).isTrue();
        }
    }

    /** A client that waits for the file connects as soon as it is there, and again and again at that. */
    @Test
    void whoeverFindsTheFileCanConnect() throws Exception {
        Path path = directory.resolve("s");
        for (int i = 0; i < STARTS; i++) {
            CountDownLatch looks = new CountDownLatch(1);
            AtomicInteger result = new AtomicInteger(-1);
            Thread client = Thread.ofPlatform().daemon().start(() -> result.set(connectWhenThere(path, looks)));
            assertThat(looks.await(30, TimeUnit.SECONDS)).isTrue();
            try (Fd listening = UnixSocket.listen(path, 4)) {
                assertThat(listening.isOpen()).isTrue();
                assertThat(client.join(Duration.ofSeconds(30))).isTrue();
                Files.delete(path);
            }
            assertThat(result).as("start %d", i).hasValue(0);
        }
    }

    /** The errno of the first try that finds the file, 0 when it connects. */
    private static int connectWhenThere(Path path, CountDownLatch looks) {
        long start = System.nanoTime();
        while (System.nanoTime() - start < 20_000_000_000L) {
            try {
                UnixSocket.connectNow(path).close();
                return 0;
            } catch (ErrnoException e) {
                if (e.errno() != ENOENT) {
                    return e.errno();
                }
            }
            looks.countDown();
        }
        return ENOENT;
    }

    @Test
    void ofSeveralThatFindAStaleSocketOneListens() throws Exception {
        Path path = directory.resolve("s");
        for (int i = 0; i < STARTS; i++) {
            UnixSocket.listen(path, 1).close();
            Queue<UnixSocket.Listening> listening = new ConcurrentLinkedQueue<>();
            Queue<Integer> errors = new ConcurrentLinkedQueue<>();
            List<Thread> starts = Stream.generate(() -> Thread.ofPlatform().start(() -> {
                        try {
                            listening.add(UnixSocket.listenAt(path, STARTERS));
                        } catch (ErrnoException e) {
                            errors.add(e.errno());
                        }
                    }))
                    .limit(STARTERS)
                    .toList();
            for (Thread start : starts) {
                start.join();
            }
            assertThat(errors).hasSize(STARTERS - 1).containsOnly(EADDRINUSE);
            assertThat(listening.element().file().isSameFile(FileStat.of(path)))
                    .as("the file at the path is the one that listens")
                    .isTrue();
            UnixSocket.connect(path).close();
            listening.element().socket().close();
        }
        assertThat(directory.toFile().list()).as("nothing is left beside it").containsExactly("s");
    }

    /** Whoever removes a stale socket must be alone: it may be a new one by the time. */
    @Test
    void aStaleSocketStaysWhileTheDirectoryIsLocked() {
        Path path = directory.resolve("s");
        UnixSocket.listen(path, 1).close();
        FileStat stale = FileStat.of(path);
        try (Fd other = FileIo.open(directory, FileIo.O_RDONLY)) {
            assertThat(FileIo.flock(other, FileIo.LOCK_EX)).isZero();
            assertFails(ETIMEDOUT, () -> UnixSocket.listen(path, 1)).contains("flock " + directory, path.toString());
            assertThat(FileStat.of(path).isSameFile(stale)).isTrue();
            UnixSocket.listen(directory.resolve("new"), 1).close();
        }
        UnixSocket.listen(path, 1).close();
        assertThat(directory.toFile().list()).containsExactlyInAnyOrder("s", "new");
    }

    @Test
    void aFileHasItsModeFromTheBeginning() throws Exception {
        Path path = directory.resolve("s");
        try (Fd listening = UnixSocket.listen(path, 1, 0600)) {
            assertThat(listening.isOpen()).isTrue();
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                    .isEqualTo("rw-------");
        }
    }

    @Test
    void aServersEndRemovesItsOwnFileOnly() {
        Path path = directory.resolve("s");
        UnixSocket.Listening first = UnixSocket.listenAt(path, 1);
        try (Fd kept = FileIo.open(path, O_PATH)) {
            first.socket().close();
            UnixSocket.Listening second = UnixSocket.listenAt(path, 1);
            UnixSocket.removeFile(path, first.file().dev(), first.file().ino());
            assertThat(path).exists();
            assertThat(kept.isOpen()).as("no other file has its numbers").isTrue();
            second.socket().close();
            UnixSocket.removeFile(path, second.file().dev(), second.file().ino());
            assertThat(path).doesNotExist();
            UnixSocket.removeFile(path, second.file().dev(), second.file().ino());
        }
    }

    /** As on file systems that cannot be told to replace nobody. */
    @Test
    void aFileMovesByLinksToo() throws Exception {
        Path from = Files.writeString(directory.resolve("from"), "moves");
        Path to = Files.writeString(directory.resolve("to"), "stays");
        assertThat(SocketFile.moveByLink(from.toString(), to.toString())).isEqualTo(-EEXIST);
        assertThat(to).hasContent("stays");
        Path free = directory.resolve("free");
        assertThat(SocketFile.moveByLink(from.toString(), free.toString())).isZero();
        assertThat(free).hasContent("moves");
        assertThat(from).doesNotExist();
    }

    @Test
    void nothingIsLeftBesideThePath() {
        Path longest = directory.resolve(
                "s".repeat(UnixSocket.MAX_PATH_BYTES - directory.toString().length() - 1));
        UnixSocket.listen(directory.resolve("s"), 1).close();
        UnixSocket.listen(longest, 1).close();
        Path missing =
                directory.resolve("no/" + "s".repeat(90 - directory.toString().length()));
        assertFails(ENOENT, () -> UnixSocket.listen(missing, 1)).startsWith("bind " + missing);
        assertThat(directory.toFile().list()).hasSize(2);
    }

    @Test
    void connectingSaysWhyNot() {
        Path path = directory.resolve("s");
        assertFails(ENOENT, () -> UnixSocket.connect(path)).startsWith("connect " + path);
        UnixSocket.listen(path, 1).close();
        assertFails(ECONNREFUSED, () -> UnixSocket.connect(path));
    }

    @Test
    void acceptDoesNotWait() {
        try (Fd listening = UnixSocket.listen(directory.resolve("s"), 1)) {
            assertThat(UnixSocket.accept(listening.value())).isEqualTo(-EAGAIN);
        }
        assertThat(UnixSocket.accept(-1)).isEqualTo(-EBADF);
    }

    @Test
    void anAcceptedConnectionDoesNotBlock() {
        Path path = directory.resolve("s");
        try (Fd listening = UnixSocket.listen(path, 1);
                Fd client = UnixSocket.connect(path);
                Fd accepted = Fd.own(UnixSocket.accept(listening.value()));
                SocketIo io = new SocketIo(1);
                Mapping buffer = Mapping.anonymous(4096)) {
            assertThat(io.recv(accepted.value(), buffer.segment(), 0, 16, 0)).isEqualTo(-EAGAIN);
            UnixSocket.setNonBlocking(client, true);
            assertThat(io.recv(client.value(), buffer.segment(), 0, 16, 0)).isEqualTo(-EAGAIN);
        }
    }

    @Test
    void tellsWhoseTheOtherEndIs() {
        UnixSocket.Pair pair = UnixSocket.pair();
        try (Fd near = pair.first();
                Fd far = pair.second()) {
            assertThat(UnixSocket.peerPid(near))
                    .isEqualTo((int) ProcessHandle.current().pid());
            assertThat(UnixSocket.peerPid(far))
                    .isEqualTo((int) ProcessHandle.current().pid());
        }
    }
}
