package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Poll.POLLIN;
import static org.vfio4j.sys.Poll.POLLOUT;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.sys.UnixSocket;

/**
 * A peer that sends whatever a test wants, whether the protocol allows it or not, and shows the answers as they are. One
 * thread. What it waits for in vain is an {@link AssertionError}.
 */
public final class RawClient implements AutoCloseable {

    private static final long PATIENCE_NS = 10_000_000_000L;
    private static final int MAX_FDS = 64;
    private static final int CHUNK = 1 << 16;

    private final Fd socket;
    private final SocketIo io = new SocketIo(MAX_FDS);
    private final MemorySegment chunk = Arena.ofAuto().allocate(CHUNK);
    private final List<Fd> receivedFds = new ArrayList<>();
    private byte[] received = new byte[0];

    private RawClient(Fd socket) {
        this.socket = socket;
    }

    /** Connects to the server that listens at {@code path}. */
    public static RawClient connect(Path path) {
        return over(UnixSocket.connect(path));
    }

    /** Over a connected socket, which is the client's from now on. */
    public static RawClient over(Fd socket) {
        return new RawClient(socket);
    }

    /** Connects and agrees on a version. */
    public static RawClient negotiated(Path path) {
        RawClient client = connect(path);
        try {
            client.negotiate("{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576}}");
            return client;
        } catch (RuntimeException | Error e) {
            // Left open it would be the server's client some day, and keep all others out.
            client.close();
            throw e;
        }
    }

    /** The socket. */
    public Fd socket() {
        return socket;
    }

    /** Proposes version 0.1 with {@code json}, and returns the reply, which must be no error. */
    public RawMessage negotiate(String json) {
        RawMessage reply = call(version(0, 1, json));
        if (reply.isError()) {
            throw new AssertionError("VERSION refused: " + reply);
        }
        return reply;
    }

    /** A VERSION command. */
    public static RawMessage version(int major, int minor, String json) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        return RawMessage.command(
                1, new Payload().u16(major).u16(minor).bytes(text).bytes((byte) 0));
    }

    /** Sends a message and returns what comes next. */
    public RawMessage call(RawMessage message, Fd... fds) {
        send(message, fds);
        return receive();
    }

    public void send(RawMessage message, Fd... fds) {
        send(message.toBytes(), fds);
    }

    /** Sends bytes, the descriptors with the first of them. */
    public void send(byte[] bytes, Fd... fds) {
        if (!trySend(bytes, fds)) {
            throw new AssertionError("the server closed the connection while " + bytes.length + " bytes were sent");
        }
    }

    /** Sends bytes as long as there is somebody who takes them: whether all were taken. */
    public boolean trySend(byte[] bytes, Fd... fds) {
        int[] numbers = Arrays.stream(fds).mapToInt(Fd::value).toArray();
        int sent = 0;
        while (sent < bytes.length) {
            int piece = Math.min(bytes.length - sent, CHUNK);
            MemorySegment.copy(bytes, sent, chunk, ValueLayout.JAVA_BYTE, 0, piece);
            long n = io.send(socket.value(), chunk, 0, piece, numbers, sent == 0 ? numbers.length : 0, MSG_DONTWAIT);
            if (n > 0) {
                sent += (int) n;
            } else if (n != -EAGAIN) {
                return false;
            } else if (Poll.poll(socket.value(), POLLOUT, PATIENCE_NS) == 0) {
                throw new AssertionError("the server takes no more after " + sent + " of " + bytes.length + " bytes");
            }
        }
        return true;
    }

    /** Sends bytes until the socket is full: how many it took. */
    public long sendUntilFull(byte[] bytes) {
        MemorySegment.copy(bytes, 0, chunk, ValueLayout.JAVA_BYTE, 0, bytes.length);
        long total = 0;
        while (true) {
            long n = io.send(socket.value(), chunk, 0, bytes.length, new int[0], 0, MSG_DONTWAIT);
            if (n < 0) {
                return total;
            }
            total += n;
        }
    }

    /** The next message. */
    public RawMessage receive() {
        return receiveUnlessClosed().orElseThrow(() -> new AssertionError("the server closed the connection"));
    }

    /** The next message; empty when the connection ends instead. */
    public Optional<RawMessage> receiveUnlessClosed() {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (true) {
            if (received.length >= RawMessage.HEADER_SIZE) {
                int size = RawMessage.parse(Arrays.copyOf(received, RawMessage.HEADER_SIZE))
                        .statedSize();
                if (received.length >= size) {
                    RawMessage message = RawMessage.parse(Arrays.copyOf(received, size));
                    received = Arrays.copyOfRange(received, size, received.length);
                    return Optional.of(message);
                }
            }
            long n = receiveChunk(deadline - System.nanoTime());
            if (n == -EAGAIN) {
                throw new AssertionError("no answer from the server");
            }
            if (n <= 0) {
                return Optional.empty();
            }
        }
    }

    /** Waits for the server to close the connection; messages that come before are dropped. */
    public void expectClosed() {
        long deadline = System.nanoTime() + PATIENCE_NS;
        long n;
        do {
            n = receiveChunk(deadline - System.nanoTime());
            if (n == -EAGAIN) {
                throw new AssertionError("the server has not closed the connection");
            }
        } while (n > 0);
    }

    /** Fails when anything arrives within {@code ns}. */
    public void expectSilence(long ns) {
        if (received.length > 0 || Poll.poll(socket.value(), POLLIN, ns) != 0) {
            throw new AssertionError("something arrived where nothing should");
        }
    }

    /** Takes in what has arrived, and drops it. */
    public void discard() {
        while (receiveChunk(1) > 0) {
            received = new byte[0];
        }
    }

    /** Descriptors that came so far, handed to the caller. */
    public List<Fd> takeFds() {
        List<Fd> taken = List.copyOf(receivedFds);
        receivedFds.clear();
        return taken;
    }

    @Override
    public void close() {
        receivedFds.forEach(Fd::close);
        receivedFds.clear();
        io.close();
        socket.close();
    }

    private long receiveChunk(long waitNs) {
        if (waitNs <= 0 || Poll.poll(socket.value(), POLLIN, waitNs) == 0) {
            return -EAGAIN;
        }
        long n = io.recv(socket.value(), chunk, 0, CHUNK, MSG_DONTWAIT);
        for (int i = 0; i < io.fdCount(); i++) {
            receivedFds.add(io.takeFd(i));
        }
        if (n > 0) {
            ByteArrayOutputStream joined = new ByteArrayOutputStream();
            joined.writeBytes(received);
            joined.writeBytes(chunk.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE));
            received = joined.toByteArray();
        }
        return n;
    }
}
