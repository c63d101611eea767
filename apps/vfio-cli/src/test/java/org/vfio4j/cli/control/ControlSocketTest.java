package org.vfio4j.cli.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;

/** Clients of the control socket that are slow, many, or talk too much: the others do not notice. */
class ControlSocketTest {

    private static final long PATIENCE_NS = 20_000_000_000L;

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final CountDownLatch gate = new CountDownLatch(1);
    private final CountDownLatch stuck = new CountDownLatch(ControlSocket.MAX_CONNECTIONS);
    private final List<AutoCloseable> opened = new ArrayList<>();

    private Path listen() {
        Path path = directory.resolve("control");
        opened.add(ControlSocket.listen(path, this::answer, "busy"));
        return path;
    }

    @AfterEach
    void close() throws Exception {
        gate.countDown();
        for (AutoCloseable each : opened.reversed()) {
            each.close();
        }
        before.assertNone();
    }

    @Test
    void isForItsOwnerOnly() throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(listen())))
                .isEqualTo("rw-------");
    }

    @Test
    void aRequestThatIsTooLongEndsTheConnection() {
        LineSocket client = connect(listen());
        assertThatThrownBy(() -> {
                    client.write("x".repeat(1 << 20), PATIENCE_NS);
                    read(client);
                })
                .isInstanceOf(ErrnoException.class);
        assertThat(ask("still there")).isEqualTo("re: still there");
    }

    @Test
    void aRequestOfTheLimitIsTakenAndOneByteMoreIsNot() {
        listen();
        String most = "x".repeat(ControlSocket.MAX_REQUEST_BYTES);
        assertThat(ask(most)).isEqualTo("re: " + most);
        assertThatThrownBy(() -> ask(most + "x")).isInstanceOf(ErrnoException.class);
    }

    @Test
    void aClientThatSaysNothingIsLeftAndKeepsNobodyWaiting() {
        LineSocket silent = connect(listen());
        assertThat(ask("meanwhile")).isEqualTo("re: meanwhile");
        assertThatThrownBy(() -> read(silent))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ECONNRESET));
    }

    @Test
    void clientsThatGoBeforeTheirRequestIsWholeLeaveNothingBehind() {
        Path path = listen();
        for (int i = 0; i < 100; i++) {
            UnixSocket.connect(path).close();
        }
        assertThat(askUntilFree("after all")).isEqualTo("re: after all");
    }

    @Test
    void whoIsOneTooManyIsToldSo() throws InterruptedException {
        Path path = listen();
        for (int i = 0; i < ControlSocket.MAX_CONNECTIONS; i++) {
            connect(path).write("wait", PATIENCE_NS);
        }
        awaitStuck(path);
        assertThat(read(connect(path))).isEqualTo("busy");
        gate.countDown();
        assertThat(askUntilFree("now")).isEqualTo("re: now");
    }

    @Test
    void aCharacterOfSeveralBytesSurvivesAnyCut() {
        Path path = listen();
        try (Fd socket = UnixSocket.connect(path);
                SocketIo io = new SocketIo(1);
                Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom("\u20ac\n");
            for (int at = 0; at < text.byteSize() - 1; at++) {
                assertThat(io.send(socket.value(), text, at, 1, new int[0], 0, 0))
                        .isEqualTo(1);
            }
            assertThat(read(new LineSocket(socket))).isEqualTo("re: \u20ac");
        }
    }

    private String answer(String request) {
        if (request.equals("wait")) {
            stuck.countDown();
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
        return "re: " + request;
    }

    // One that this process was too slow for has been left, as one that says nothing: another takes its place.
    private void awaitStuck(Path path) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!stuck.await(PATIENCE_NS / 10, TimeUnit.NANOSECONDS)) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            try {
                connect(path).write("wait", PATIENCE_NS);
            } catch (ErrnoException e) {
                // Turned away, or left once more.
            }
        }
    }

    private String ask(String request) {
        try (LineSocket client = new LineSocket(UnixSocket.connect(directory.resolve("control")))) {
            client.write(request, PATIENCE_NS);
            return read(client);
        }
    }

    // Those before may just be about to leave.
    private String askUntilFree(String request) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (System.nanoTime() < deadline) {
            try {
                String reply = ask(request);
                if (!reply.equals("busy")) {
                    return reply;
                }
            } catch (ErrnoException e) {
                // Its queue is full, or it was turned away before it had asked.
            }
            Thread.onSpinWait();
        }
        throw new AssertionError("never free");
    }

    private LineSocket connect(Path path) {
        Fd socket = UnixSocket.connect(path);
        LineSocket client = new LineSocket(socket);
        opened.add(client);
        return client;
    }

    private static String read(LineSocket client) {
        return client.read(1 << 20, PATIENCE_NS, ns -> {});
    }
}
