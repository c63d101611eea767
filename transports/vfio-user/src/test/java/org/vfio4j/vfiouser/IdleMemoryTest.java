package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** A connection that has moved large messages gives the memory back when it is quiet. */
class IdleMemoryTest {

    private static final int MESSAGE = 1 << 20;
    private static final int CONNECTIONS = 12;
    private static final long PATIENCE_NS = 20_000_000_000L;
    private static final long LOOK_NS = 50_000_000;

    @Test
    void aTrimmedMessageKeepsItsFirstPagesOnly() {
        try (OutMessage message = new OutMessage(Connection.MAX_MESSAGE)) {
            message.buffer().fill((byte) 1);
            message.setPayloadSize(100);
            message.putHeader(1, 2, 0, 0);
            assertThat(message.isLarge()).isFalse();
            message.trim();
            assertThat(message.buffer().get(JAVA_BYTE, MESSAGE)).isEqualTo((byte) 1);
            message.setPayloadSize(MESSAGE);
            message.putHeader(1, 2, 0, 0);
            assertThat(message.isLarge()).isTrue();
            message.trim();
            assertThat(message.isLarge()).isFalse();
            assertThat(message.buffer().get(JAVA_BYTE, Inbox.KEPT - 1)).isEqualTo((byte) 1);
            assertThat(message.buffer().get(JAVA_BYTE, Inbox.KEPT)).isZero();
            assertThat(message.buffer().get(JAVA_BYTE, Connection.MAX_MESSAGE - 1))
                    .isZero();
        }
    }

    @Test
    void connectionsThatFallQuietAreTrimmedAndWorkOn() throws IOException {
        List<VfioUserServer> servers = new ArrayList<>();
        List<RawClient> clients = new ArrayList<>();
        try (Served served = new Served()) {
            for (int i = 0; i < CONNECTIONS; i++) {
                Path socket = served.directory.resolve("s" + i);
                servers.add(Served.serve(served.loop, new FakeDevice(), socket, VfioUserServerOptions.DEFAULTS));
                clients.add(RawClient.negotiated(socket));
            }
            for (RawClient client : clients) {
                transfer(client);
            }
            long peak = residentBytes();
            // Each holds a megabyte for what came and one for what went.
            awaitResident(peak - CONNECTIONS * (long) MESSAGE);
            for (RawClient client : clients) {
                transfer(client);
            }
            clients.forEach(RawClient::close);
            servers.forEach(VfioUserServer::close);
        }
    }

    private static void transfer(RawClient client) {
        byte[] data = new byte[MESSAGE];
        data[MESSAGE - 1] = 7;
        assertThat(client.call(RegionAccessTest.write(0, 2, MESSAGE, data)).isError())
                .isFalse();
        RawMessage reply = client.call(RegionAccessTest.read(0, 2, MESSAGE));
        assertThat(reply.payload()[16 + MESSAGE - 1]).isEqualTo((byte) 7);
    }

    private static void awaitResident(long most) throws IOException {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (residentBytes() > most) {
            assertThat(System.nanoTime()).as("memory is given back").isLessThan(deadline);
            // To look at it takes memory as well.
            LockSupport.parkNanos(LOOK_NS);
        }
    }

    private static long residentBytes() throws IOException {
        String[] pages = Files.readString(Path.of("/proc/self/statm")).split(" ");
        return Long.parseLong(pages[1]) * 4096;
    }
}
