package org.vfio4j.fuzz;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/**
 * What a server may answer to a client that makes each of its calls once. A record is what the server does about the next request:
 * a kind, and bytes; see {@link #respond}. After the last one it hangs up. The corpus is what a right server says.
 */
final class ClientTarget implements FuzzTarget {

    private static final int ERROR = 3;
    private static final int RAW = 4;
    private static final int ASK = 5;
    private static final int WITH_FDS = 6;
    private static final int STRANGE_HEADER = 7;

    private static final VfioUserClientOptions IMPATIENT = VfioUserClientOptions.DEFAULTS.withTimeoutNs(20_000_000);
    private static final int MOST_INDICES = 10;
    private static final long IOVA = 0x10000;

    private final Fd memory = MemFd.create("guest", 0x4000);
    private final Fd event = EventFd.create();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment buffer = arena.allocate(0x4000);
    private final BlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    private final Semaphore done = new Semaphore(0);
    private final Thread server =
            Thread.ofPlatform().daemon().name("vfio fuzz server").start(this::work);

    @Override
    public List<byte[]> corpus() {
        List<byte[]> spoken = new ArrayList<>();
        EventLoop loop = new EventLoop();
        try (TestDisk.Served disk = new TestDisk.Served(loop);
                RawClient upstream = RawClient.connect(disk.socket())) {
            converse(VfioUserClientOptions.DEFAULTS, () -> true, (RawClient peer, RawMessage request) -> {
                List<Fd> fds = peer.takeFds();
                RawMessage reply = upstream.call(request, fds.toArray(Fd[]::new));
                fds.forEach(Fd::close);
                spoken.add(new Payload()
                        .bytes((byte) (reply.isError() ? ERROR : 0))
                        .bytes(
                                reply.isError()
                                        ? new Payload().u32(reply.error()).toBytes()
                                        : reply.payload())
                        .toBytes());
                peer.send(reply);
                return true;
            });
        }
        loop.close();
        List<byte[]> asking = new ArrayList<>(spoken);
        asking.add(1, new Payload().bytes((byte) ASK).u16(11).u64(IOVA).u64(8).toBytes());
        asking.add(
                3,
                new Payload()
                        .bytes((byte) (WITH_FDS | 0x18))
                        .bytes(new byte[16])
                        .toBytes());
        List<byte[]> strange = new ArrayList<>(spoken);
        strange.set(
                5,
                new Payload()
                        .bytes((byte) STRANGE_HEADER)
                        .u32(1)
                        .u32(16)
                        .bytes(new byte[16])
                        .toBytes());
        return List.of(Records.join(spoken), Records.join(asking), Records.join(strange));
    }

    @Override
    public Mutator mutator() {
        return Mutator.RECORDS;
    }

    @Override
    public long run(byte[] input) {
        List<byte[]> records = new ArrayList<>(Records.split(input));
        return converse(IMPATIENT, () -> !records.isEmpty(), (peer, request) -> {
            boolean answered = false;
            while (!answered && !records.isEmpty()) {
                answered = respond(peer, request, records.removeFirst());
            }
            return answered;
        });
    }

    @Override
    public void checkWorks() {
        if (!server.isAlive()) {
            throw new AssertionError("the hostile server has died");
        }
    }

    @Override
    public void close() {
        server.interrupt();
        try {
            server.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        memory.close();
        event.close();
        arena.close();
    }

    /** The client's side, while another thread is the server. Returns the outcome of its calls. */
    private long converse(
            VfioUserClientOptions options,
            Supplier<Boolean> more,
            BiFunction<RawClient, RawMessage, Boolean> response) {
        UnixSocket.Pair pair = UnixSocket.pair();
        work.add(() -> {
            try (RawClient peer = RawClient.over(pair.first())) {
                Optional<RawMessage> request = peer.receiveUnlessClosed();
                while (request.isPresent() && more.get() && response.apply(peer, request.get())) {
                    request = peer.receiveUnlessClosed();
                }
            }
        });
        Calls calls = new Calls();
        calls.make(() -> {
            try (VfioUserClient client = VfioUserClient.over(pair.second(), options)) {
                useAll(client, calls);
            }
        });
        done.acquireUninterruptibly();
        return calls.outcome;
    }

    /** Does what a record says: whether that was an answer. */
    private boolean respond(RawClient peer, RawMessage request, byte[] record) {
        if (record.length == 0) {
            return true;
        }
        byte[] bytes = Arrays.copyOfRange(record, 1, record.length);
        Payload payload = new Payload().bytes(bytes);
        RawMessage reply = RawMessage.reply(request, payload);
        switch (record[0] & 7) {
            case ERROR ->
                peer.trySend(RawMessage.error(request, number(bytes, 0)).toBytes());
            case RAW -> peer.trySend(bytes);
            case ASK -> {
                byte[] rest = bytes.length < 2 ? bytes : Arrays.copyOfRange(bytes, 2, bytes.length);
                peer.trySend(RawMessage.command(number(bytes, 0) & 0xffff, rest).toBytes());
                return false;
            }
            case WITH_FDS -> {
                Fd[] fds = new Fd[(record[0] >> 3) & 7];
                Arrays.fill(fds, memory);
                peer.trySend(reply.toBytes(), fds);
            }
            case STRANGE_HEADER -> {
                byte[] rest = bytes.length < 8 ? new byte[0] : Arrays.copyOfRange(bytes, 8, bytes.length);
                peer.trySend(RawMessage.reply(request, new Payload().bytes(rest))
                        .withFlags(number(bytes, 0))
                        .withStatedSize(number(bytes, 4))
                        .toBytes());
            }
            default -> peer.trySend(reply.toBytes());
        }
        return true;
    }

    private void useAll(VfioUserClient client, Calls calls) {
        int[] counts = new int[2];
        calls.make(() -> {
            VfioDeviceInfo info = client.info();
            counts[0] = Math.min(Math.max(info.numRegions(), 0), MOST_INDICES);
            counts[1] = Math.min(Math.max(info.numIrqs(), 0), MOST_INDICES);
        });
        for (int i = 0; i < counts[0]; i++) {
            int index = i;
            calls.make(() -> client.regionInfo(index));
            calls.make(() -> client.regionMemory(index));
            calls.make(() -> client.ioEventFds(index));
        }
        for (int i = 0; i < counts[1]; i++) {
            int index = i;
            calls.make(() -> client.irqInfo(index));
        }
        int flags = Vfio.VFIO_IRQ_SET_DATA_EVENTFD | Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
        calls.make(() -> client.setIrqs(VfioIrqSet.eventFds(flags, 2, 0, 1, List.of(event.dup()))));
        calls.make(() -> client.read(7, 0, buffer, 0, 64));
        calls.make(() -> client.write(7, 4, buffer, 0, 2));
        calls.make(() -> client.feature(Vfio.VFIO_DEVICE_FEATURE_GET | 10, buffer.asSlice(0, 4)));
        calls.make(() -> client.dmaMap(IOVA, 0x4000, 3, memory, 0));
        calls.make(() -> client.dmaMap(2 * IOVA, 3, buffer));
        calls.make(() -> client.migrationRead(buffer, 0, 64));
        calls.make(() -> client.migrationWrite(buffer, 0, 64));
        calls.make(() -> client.serve(0));
        calls.make(() -> client.dmaUnmap(IOVA, 0x4000));
        calls.make(client::reset);
    }

    private static int number(byte[] bytes, int at) {
        int value = 0;
        for (int i = 0; i < 4 && at + i < bytes.length; i++) {
            value |= (bytes[at + i] & 0xff) << (8 * i);
        }
        return value;
    }

    private void work() {
        try {
            while (true) {
                Runnable next = work.take();
                try {
                    next.run();
                } finally {
                    done.release();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Calls that may fail in errno terms, and how each ended. */
    private static final class Calls {

        private long outcome;

        void make(Runnable call) {
            int errno = 0;
            try {
                call.run();
            } catch (ErrnoException e) {
                errno = e.errno();
            }
            outcome = outcome * 31 + errno;
        }
    }
}
