package org.vfio4j.fuzz;

import static org.vfio4j.uapi.Vfio.*;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Seals;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.testkit.HostileMessages;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** One thing that a hostile client does to a server, from connect to disconnect. Each lasts no longer than a few seconds. */
interface Attack {

    /** How many maps the largest attack makes. */
    int MAPS = 60_000;

    Map<String, Attack> ALL = new TreeMap<>(Map.ofEntries(
            Map.entry("random bytes", Attack::randomBytes),
            Map.entry("fd flood", Attack::fdFlood),
            Map.entry("60,000 maps", Attack::manyMaps),
            Map.entry("many mapped descriptors", Attack::mappedDescriptors),
            Map.entry("slow reader", Attack::slowReader),
            Map.entry("unread requests", Attack::unreadRequests),
            Map.entry("connect storm", Attack::connectStorm),
            Map.entry("half messages", Attack::halfMessages),
            Map.entry("truncated memfd", Attack::truncatedMemFd),
            Map.entry("truncated file", Attack::truncatedFile),
            Map.entry("full eventfds", FullEventFds::attack)));

    /** @param socket where the server listens */
    void run(Path socket, RandomGenerator random);

    private static void randomBytes(Path socket, RandomGenerator random) {
        HostileMessages hostile = new HostileMessages(
                random.nextLong(),
                List.of(
                        Wire.info(),
                        Wire.regionInfo(0, 32),
                        Wire.read(Wire.CONFIG, 0, 64),
                        Wire.write(4, 20, 1, 0),
                        Wire.setIrqs(FIRE, 0, 0, 1),
                        Wire.map(Wire.READ_WRITE, 0, 0, 4096),
                        Wire.reset(),
                        Wire.feature(VFIO_DEVICE_FEATURE_GET | 10, new byte[4])));
        try (RawClient client = random.nextBoolean() ? RawClient.negotiated(socket) : RawClient.connect(socket)) {
            for (int i = 0; i < 50 && client.trySend(hostile.next()); i++) {
                client.discard();
            }
        }
    }

    int FIRE = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;

    /** The most descriptors that the kernel passes with each message, right ones and such as nobody asked for. */
    private static void fdFlood(Path socket, RandomGenerator random) {
        try (RawClient client = RawClient.negotiated(socket);
                Fd memory = MemFd.create("flood", 4096);
                Fd event = EventFd.create()) {
            Fd[] fds = new Fd[SocketIo.MAX_FDS];
            Arrays.fill(fds, random.nextBoolean() ? memory : event);
            RawMessage[] messages = {
                Wire.info(),
                Wire.map(Wire.READ_WRITE, 0, 0x1000, 0x1000),
                Wire.setIrqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 0, 2),
                Wire.reset()
            };
            for (int i = 0; i < 40; i++) {
                byte[] bytes = messages[random.nextInt(messages.length)].toBytes();
                if (!client.trySend(bytes, Arrays.copyOf(fds, 1 + random.nextInt(fds.length)))) {
                    return;
                }
                client.discard();
            }
        }
    }

    private static void manyMaps(Path socket, RandomGenerator random) {
        try (RawClient client = mapping(socket, MAPS)) {
            RawMessage reply = client.call(Wire.read(Wire.CONFIG, 0, 4));
            if (reply.isError()) {
                throw new AssertionError("after " + MAPS + " maps: " + reply);
            }
        }
    }

    /** A client that has mapped memory so many times; the caller closes it. */
    static RawClient mapping(Path socket, int maps) {
        RawClient client = RawClient.negotiated(socket);
        try (Fd memory = MemFd.create("maps", 0x2000)) {
            for (int i = 0; i < maps; i++) {
                // The same page each time, so that no two become one in the server's address space.
                byte[] map = Wire.map(Wire.READ_WRITE, 0, i * 0x2000L, 0x1000)
                        .withFlags(RawMessage.NO_REPLY)
                        .toBytes();
                if (!client.trySend(map, memory)) {
                    throw new AssertionError("the connection ended at map " + i);
                }
            }
            return client;
        } catch (RuntimeException | Error e) {
            client.close();
            throw e;
        }
    }

    /** Memory that the server does not map, because it could shrink: for each map it keeps a descriptor. */
    private static void mappedDescriptors(Path socket, RandomGenerator random) {
        try (RawClient client = RawClient.negotiated(socket);
                Fd memory = MemFd.create("descriptors", 0x2000)) {
            Seals.add(memory, Seals.F_SEAL_SEAL);
            for (int i = 0; i < MAPS / 2; i++) {
                byte[] map = Wire.map(Wire.READ_WRITE, 0, i * 0x2000L, 0x1000)
                        .withFlags(RawMessage.NO_REPLY)
                        .toBytes();
                if (!client.trySend(map, memory)) {
                    return;
                }
            }
            client.call(Wire.info());
        }
    }

    private static void slowReader(Path socket, RandomGenerator random) {
        try (RawClient client = RawClient.negotiated(socket)) {
            byte[] request = Wire.read(Wire.CONFIG, 0, 256).toBytes();
            for (int i = 0; i < 20; i++) {
                client.sendUntilFull(request);
                java.util.concurrent.locks.LockSupport.parkNanos(5_000_000);
            }
        }
    }

    /** Memory that the device has to ask for, of a client that reads no question and keeps its socket full. */
    private static void unreadRequests(Path socket, RandomGenerator random) {
        try (RawClient client = RawClient.negotiated(socket)) {
            for (RawMessage message : DiskDriver.setUp()) {
                client.trySend(message.withFlags(RawMessage.NO_REPLY).toBytes());
            }
            client.trySend(DiskDriver.ring().withFlags(RawMessage.NO_REPLY).toBytes());
            byte[] question = Wire.read(Wire.CONFIG, 0, 256).toBytes();
            for (int i = 0; i < 20; i++) {
                client.sendUntilFull(question);
                java.util.concurrent.locks.LockSupport.parkNanos(5_000_000);
            }
        }
    }

    private static void connectStorm(Path socket, RandomGenerator random) {
        for (int i = 0; i < 500; i++) {
            RawClient client = RawClient.connect(socket);
            if (random.nextInt(8) == 0) {
                client.trySend(RawClient.version(0, 1, "{}").toBytes());
            }
            client.close();
        }
    }

    private static void halfMessages(Path socket, RandomGenerator random) {
        byte[] message = Wire.map(Wire.READ_WRITE, 0, 0x1000, 0x1000).toBytes();
        try (Fd memory = MemFd.create("half", 4096)) {
            for (int i = 0; i < 20; i++) {
                try (RawClient client = RawClient.negotiated(socket)) {
                    client.trySend(Arrays.copyOf(message, 1 + random.nextInt(message.length - 1)), memory);
                    // A piece that says it is a megabyte, and never is.
                    if (random.nextBoolean()) {
                        client.trySend(Wire.info().withStatedSize(1 << 20).toBytes());
                    }
                }
            }
        }
    }

    private static void truncatedMemFd(Path socket, RandomGenerator random) {
        try (Fd memory = MemFd.create("shrinks", DiskDriver.MEMORY_BYTES)) {
            Seals.add(memory, Seals.F_SEAL_SEAL);
            useAndTruncate(socket, memory);
        }
    }

    private static void truncatedFile(Path socket, RandomGenerator random) {
        try {
            Path file = Files.createTempFile("vfio4j", "memory");
            try (Fd memory = FileIo.open(file, FileIo.O_RDWR)) {
                FileIo.truncate(memory, DiskDriver.MEMORY_BYTES);
                useAndTruncate(socket, memory);
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sets a disk up, takes the memory away, rings. */
    private static void useAndTruncate(Path socket, Fd memory) {
        try (RawClient client = RawClient.negotiated(socket)) {
            DiskDriver.putRequest(memory);
            for (RawMessage message : DiskDriver.setUp()) {
                client.call(message, message.command() == DiskDriver.DMA_MAP ? new Fd[] {memory} : new Fd[0]);
            }
            client.call(DiskDriver.ring());
            FileIo.truncate(memory, 0);
            for (int i = 0; i < 10; i++) {
                client.call(DiskDriver.ring());
            }
        }
    }
}
