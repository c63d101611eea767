package org.vfio4j.userspace.vmm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/** Two ends of a connection over loopback. */
record Link(MigrationChannel source, MigrationChannel destination) implements AutoCloseable {

    static final long PATIENCE_NS = 10_000_000_000L;

    static Link open() {
        return open(PATIENCE_NS);
    }

    static Link open(long patienceNs) {
        try (ServerSocketChannel listening = ServerSocketChannel.open()) {
            listening.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            SocketChannel source = SocketChannel.open(listening.getLocalAddress());
            return new Link(new PlainChannel(source, patienceNs), new PlainChannel(listening.accept(), patienceNs));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        source.close();
        destination.close();
    }
}
