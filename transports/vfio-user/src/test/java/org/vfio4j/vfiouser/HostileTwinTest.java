package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.vfiouser.HostileServerTest.IMPATIENT;
import static org.vfio4j.vfiouser.HostileServerTest.errnoOf;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** The client against a server that plays games with the second socket. */
class HostileTwinTest {

    private static final String OFFER = "\"twin_socket\":{\"supported\":true,\"fd_index\":0}";

    private final Leaks before = Leaks.snapshot();
    private final MemorySegment buffer = Arena.ofAuto().allocate(64);

    @AfterEach
    void close() {
        before.assertNone();
    }

    @Test
    void aSecondSocketThatIsNoneEndsTheConnection() {
        for (String twin : new String[] {
            "\"supported\":true", "\"supported\":true,\"fd_index\":1", "\"supported\":true,\"fd_index\":0"
        }) {
            UnixSocket.Pair own = UnixSocket.pair();
            try (RawClient bad = RawClient.over(own.first());
                    Fd fd = EventFd.create()) {
                CompletableFuture<?> call = CompletableFuture.supplyAsync(
                        () -> VfioUserClient.over(own.second(), IMPATIENT.withTwinSocket(true)));
                bad.send(RawMessage.reply(bad.receive(), version("\"twin_socket\":{" + twin + "}")), fd);
                assertThat(errnoOf(call)).isEqualTo(EPROTO);
                bad.expectClosed();
            }
        }
    }

    @Test
    void aSecondSocketThatWasNotAskedForIsClosed() {
        UnixSocket.Pair own = UnixSocket.pair();
        UnixSocket.Pair twin = UnixSocket.pair();
        try (RawClient bad = RawClient.over(own.first());
                RawClient unwanted = RawClient.over(twin.first())) {
            CompletableFuture<VfioUserClient> call =
                    CompletableFuture.supplyAsync(() -> VfioUserClient.over(own.second(), IMPATIENT));
            bad.send(RawMessage.reply(bad.receive(), version(OFFER)), twin.second());
            twin.second().close();
            try (VfioUserClient driver = call.join()) {
                unwanted.expectClosed();
            }
        }
    }

    @Test
    void nonsenseOnTheSecondSocketEndsTheConnection() {
        assertTwinFails(EPROTO, RawMessage.reply(RawMessage.command(VFIO_USER_DMA_READ), new Payload()));
        assertTwinFails(EPROTO, RawMessage.command(VFIO_USER_DMA_READ).withStatedSize(5));
        assertTwinFails(EPROTO, RawMessage.command(VFIO_USER_DMA_READ).withStatedSize(-1));
    }

    private void assertTwinFails(int errno, RawMessage wrong) {
        UnixSocket.Pair own = UnixSocket.pair();
        UnixSocket.Pair twin = UnixSocket.pair();
        try (RawClient bad = RawClient.over(own.first());
                RawClient second = RawClient.over(twin.first())) {
            CompletableFuture<VfioUserClient> made = CompletableFuture.supplyAsync(
                    () -> VfioUserClient.over(own.second(), IMPATIENT.withTwinSocket(true)));
            bad.send(RawMessage.reply(bad.receive(), version(OFFER)), twin.second());
            twin.second().close();
            VfioUserClient driver = made.join();
            CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.read(0, 0, buffer, 0, 4));
            bad.receive();
            second.send(wrong);
            assertThat(errnoOf(call)).isEqualTo(errno);
            bad.expectClosed();
            second.expectClosed();
        }
    }

    private static Payload version(String capability) {
        byte[] json = ("{\"capabilities\":{" + capability + "}}").getBytes(StandardCharsets.UTF_8);
        return new Payload().u16(0).u16(0).bytes(json).bytes((byte) 0);
    }
}
