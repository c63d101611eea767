package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.RawClient;

/** A server whose device is wanted back: it goes with its client, or stays after all. */
class ServerLeavesTest {

    private final Leaks before = Leaks.snapshot();
    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
        before.assertNone();
    }

    @Test
    void closesAtOnceWithoutAClient() {
        assertThat(served.server.closeAfterClient()).isFalse();
        served.server.close();
        assertThat(served.socket).doesNotExist();
        assertThat(served.server.stay()).isFalse();
    }

    @Test
    void servesItsClientToTheEndAndLetsNobodyElseIn() {
        try (RawClient client = served.client();
                RawClient waiting = RawClient.connect(served.socket)) {
            assertThat(served.server.closeAfterClient()).isTrue();
            assertThat(client.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
            client.close();
            assertThatThrownBy(() -> {
                        waiting.send(RawClient.version(0, 1, "{}"));
                        waiting.receive();
                    })
                    .as("the socket is closed, not answered")
                    .isNotNull();
        }
        served.server.close();
        assertThat(served.socket).doesNotExist();
    }

    @Test
    void whenItsLoopHasEndedItIsClosedAllTheSameAndAnswersNothing() {
        Leaks untouched = Leaks.snapshot();
        EventLoop loop = new EventLoop();
        FakeDevice device = new FakeDevice();
        VfioUserServer server =
                Served.serve(loop, device, served.directory.resolve("t"), VfioUserServerOptions.DEFAULTS);
        try (RawClient client = RawClient.negotiated(served.directory.resolve("t"))) {
            loop.close();
            assertThatThrownBy(server::closeAfterClient)
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENODEV));
            server.close();
            server.close();
            assertThat(device.space).isEmpty();
            client.expectClosed();
        }
        assertThat(served.directory.resolve("t")).doesNotExist();
        untouched.assertNone();
    }

    @Test
    void staysWithItsClientAndTakesTheNext() {
        try (RawClient client = served.client()) {
            assertThat(served.server.closeAfterClient()).isTrue();
            assertThat(served.server.stay()).isTrue();
            assertThat(client.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
        }
        try (RawClient next = served.client()) {
            assertThat(next.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
        } catch (ErrnoException e) {
            throw new AssertionError("the server is gone", e);
        }
    }
}
