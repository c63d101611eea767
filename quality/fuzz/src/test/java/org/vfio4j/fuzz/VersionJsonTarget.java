package org.vfio4j.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfiouser.EventLoop;

/** The payload of VERSION: what the first message of a connection may say. */
final class VersionJsonTarget implements FuzzTarget {

    private static final int VERSION = 1;

    private final EventLoop loop = new EventLoop();
    private final TestDisk.Served disk = new TestDisk.Served(loop);

    @Override
    public List<byte[]> corpus() {
        return Stream.of(
                        "",
                        "{}",
                        "{\"capabilities\":{}}",
                        "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"max_dma_maps\":65535,"
                                + "\"pgsizes\":4096,\"twin_socket\":false,\"write_multiple\":true,"
                                + "\"migration\":{\"pgsize\":4096}}}",
                        "{\"capabilities\":{\"max_msg_fds\":1e2,\"other\":[1,-2.5e-3,true,false,null,\"\\u0041\\n\"]}}",
                        "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]")
                .map(text -> new Payload()
                        .u16(0)
                        .u16(1)
                        .bytes(text.getBytes(UTF_8))
                        .bytes((byte) 0)
                        .toBytes())
                .toList();
    }

    @Override
    public long run(byte[] input) {
        try (RawClient client = RawClient.connect(disk.socket())) {
            client.trySend(RawMessage.command(VERSION, input).toBytes());
            Optional<RawMessage> reply = client.receiveUnlessClosed();
            return reply.map(VersionJsonTarget::outcome).orElse(-1L);
        }
    }

    @Override
    public void checkWorks() {
        disk.client().close();
    }

    @Override
    public void close() {
        disk.close();
        loop.close();
    }

    private static long outcome(RawMessage reply) {
        return reply.isError() ? reply.error() : new String(reply.payload(), UTF_8).hashCode();
    }
}
