package org.vfio4j.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.random.RandomGenerator;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.uapi.Vfio.FeatureDmaLoggingControl;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.vmm.DiskGuest;
import org.vfio4j.userspace.vmm.DiskGuestOptions;
import org.vfio4j.userspace.vmm.GuestDevice;
import org.vfio4j.userspace.vmm.GuestMemory;
import org.vfio4j.userspace.vmm.MigrationDestination;
import org.vfio4j.userspace.vmm.MigrationOptions;
import org.vfio4j.userspace.vmm.MigrationResult;
import org.vfio4j.userspace.vmm.MigrationSource;
import org.vfio4j.userspace.vmm.PlainChannel;
import org.vfio4j.userspace.vmm.VirtualMachine;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * What a migration costs, over loopback, with both servers and both hypervisors in this process: downtimes of a guest that does nothing
 * and of one with 4 KiB random writes, throughput with memory that is full, and requests in a second with and without a log
 * of the device's writes, in turns. Arguments: how many moves of each kind, and MiB of memory for the throughput.
 */
public final class MigrationBench {

    private static final long DISK_BYTES = 256L << 20;
    private static final long IOVA = 1L << 32;
    private static final long PATIENCE_NS = 30_000_000_000L;
    private static final long PIECE = 2 << 20;
    private static final long WINDOW_MS = 500;
    private static final int WINDOWS = 20;
    private static final VfioUserClientOptions CLIENT = VfioUserClientOptions.DEFAULTS.withPostedWrites(true);

    private MigrationBench() {}

    public static void main(String[] args) throws IOException, InterruptedException, ExecutionException {
        int moves = args.length > 0 ? Integer.parseInt(args[0]) : 30;
        long memoryBytes = (args.length > 1 ? Long.parseLong(args[1]) : 1024) << 20;
        Path directory = Files.createTempDirectory("vfio4j-migration");
        Path[] sockets = {directory.resolve("a.sock"), directory.resolve("b.sock")};
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Host first = new Host(storage);
                Host second = new Host(storage);
                EventLoop loop = new EventLoop();
                VfioUserServer here = first.serve(loop, sockets[0]);
                VfioUserServer there = second.serve(loop, sockets[1])) {
            System.out.println("two disks, at " + here + " and " + there);
            DiskGuestOptions load = DiskGuestOptions.RANDOM_WRITES;
            // The first moves are the compilers'.
            downtimes("warming up", sockets, load, 64L << 20, moves);
            downtimes("idle", sockets, DiskGuestOptions.IDLE, 64L << 20, moves);
            downtimes("4 KiB random writes", sockets, load, 64L << 20, moves);
            throughput(sockets, memoryBytes);
            logging(sockets[0], load);
        } finally {
            for (Path socket : sockets) {
                Files.deleteIfExists(socket);
            }
            Files.delete(directory);
        }
    }

    /** A machine with a disk that its DPU emulates; it goes after the server. */
    private static final class Host implements AutoCloseable {

        private final VfioRegistry registry = new VfioRegistry();
        private final Bluefield dpu;

        Host(MemoryBackend storage) {
            PciBus bus = new PciBus();
            bus.provide(VfioRegistry.class, registry);
            bus.loadDrivers();
            bus.auxiliary().loadDrivers();
            dpu = new Bluefield(bus, PciAddress.parse("07:00.0"));
            dpu.createVirtioBlk(
                    0,
                    PciAddress.parse("08:00.0"),
                    VirtioBlk.builder(storage).queueSize(256).build());
        }

        VfioUserServer serve(EventLoop loop, Path socket) {
            LocalDeviceFile file = registry.devices().stream()
                    .filter(device -> device.parentName().equals("0000:08:00.0"))
                    .findFirst()
                    .orElseThrow()
                    .open();
            return VfioUserServer.listen(loop, socket, file, VfioUserServerOptions.DEFAULTS);
        }

        @Override
        public void close() {
            dpu.close();
        }
    }

    private static VirtualMachine boot(Path socket, DiskGuestOptions options, long memoryBytes) {
        GuestDevice device = new GuestDevice(VfioUserClient.connect(socket, CLIENT));
        GuestMemory memory = GuestMemory.create(List.of(new GuestMemory.Range(IOVA, memoryBytes)));
        memory.mapFor(device);
        return new VirtualMachine(device, memory, new DiskGuest(device, memory, options));
    }

    private static void downtimes(String name, Path[] sockets, DiskGuestOptions options, long memoryBytes, int moves)
            throws IOException, InterruptedException, ExecutionException {
        VirtualMachine machine = boot(sockets[0], options, memoryBytes);
        machine.guest().resume();
        double[] downtimes = new double[moves];
        for (int i = 0; i < moves; i++) {
            Thread.sleep(50);
            Moved moved = move(machine, sockets[(i + 1) % 2]);
            machine = moved.machine();
            downtimes[i] = moved.result().downtimeNs() / 1e6;
        }
        ((DiskGuest) machine.guest()).finish();
        close(machine);
        Arrays.sort(downtimes);
        System.out.printf(
                Locale.ROOT,
                "downtime, %-20s min %6.2f  median %6.2f  p90 %6.2f  max %6.2f ms%n",
                name,
                downtimes[0],
                downtimes[moves / 2],
                downtimes[moves * 9 / 10],
                downtimes[moves - 1]);
    }

    private static void throughput(Path[] sockets, long memoryBytes)
            throws IOException, InterruptedException, ExecutionException {
        VirtualMachine machine = boot(sockets[0], DiskGuestOptions.IDLE, memoryBytes);
        DmaMemory ram = machine.memory().dma(0);
        MemorySegment all = ram.segment(ram.sizeBytes() / 16, ram.sizeBytes() - ram.sizeBytes() / 16);
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        for (long at = 0; at < all.byteSize(); at += Long.BYTES) {
            all.set(JAVA_LONG_UNALIGNED, at, random.nextLong());
        }
        machine.guest().resume();
        for (int i = 0; i < 6; i++) {
            double plain = plainBytesPerSecond(machine.memory());
            Moved moved = move(machine, sockets[(i + 1) % 2]);
            machine = moved.machine();
            MigrationResult result = moved.result();
            System.out.printf(
                    Locale.ROOT,
                    "throughput, %d MB of memory: %.2f GB/s, %.2f of a plain copy over loopback, downtime %.2f ms%n",
                    result.sentBytes() / 1_000_000,
                    result.bytesPerSecond() / 1e9,
                    result.bytesPerSecond() / plain,
                    result.downtimeNs() / 1e6);
        }
        ((DiskGuest) machine.guest()).finish();
        close(machine);
    }

    /** The yardstick: the same memory into other memory that is as fresh as a destination's, in pieces of 2 MiB and nothing else. */
    private static double plainBytesPerSecond(GuestMemory memory) throws IOException, InterruptedException {
        long size = memory.sizeBytes();
        MemorySegment from = memory.dma(0).segment(0, size);
        try (GuestMemory fresh = GuestMemory.create(List.of(new GuestMemory.Range(IOVA, size)));
                ServerSocketChannel listening = ServerSocketChannel.open()) {
            listening.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            MemorySegment to = fresh.dma(0).segment(0, size);
            try (SocketChannel out = SocketChannel.open(listening.getLocalAddress());
                    SocketChannel in = listening.accept()) {
                long start = System.nanoTime();
                Thread sender = Thread.ofPlatform().start(() -> sendAll(out, from));
                for (long at = 0; at < size; at += PIECE) {
                    ByteBuffer piece =
                            to.asSlice(at, Math.min(PIECE, size - at)).asByteBuffer();
                    while (piece.hasRemaining()) {
                        if (in.read(piece) < 0) {
                            throw new IOException("the sender has ended");
                        }
                    }
                }
                long ns = System.nanoTime() - start;
                sender.join();
                return size * 1e9 / ns;
            }
        }
    }

    private static void sendAll(SocketChannel out, MemorySegment from) {
        try {
            for (long at = 0; at < from.byteSize(); at += PIECE) {
                ByteBuffer piece =
                        from.asSlice(at, Math.min(PIECE, from.byteSize() - at)).asByteBuffer();
                while (piece.hasRemaining()) {
                    out.write(piece);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** In turns, so that what else the machine does falls on both. */
    private static void logging(Path socket, DiskGuestOptions load) throws InterruptedException {
        VirtualMachine machine = boot(socket, load, 64L << 20);
        DiskGuest guest = (DiskGuest) machine.guest();
        guest.resume();
        Thread.sleep(2 * WINDOW_MS);
        List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < WINDOWS; i++) {
            double without = perSecond(guest);
            startLog(machine.device(), machine.memory().sizeBytes());
            double with = perSecond(guest);
            machine.device()
                    .feature(
                            VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
                            MemorySegment.ofArray(new byte[0]));
            ratios.add(with / without);
        }
        guest.finish();
        close(machine);
        ratios.sort(null);
        System.out.printf(
                Locale.ROOT,
                "requests with a log of writes / without: min %.3f  median %.3f  max %.3f%n",
                ratios.getFirst(),
                ratios.get(WINDOWS / 2),
                ratios.getLast());
    }

    private static double perSecond(DiskGuest guest) throws InterruptedException {
        long before = guest.counters().writes();
        long start = System.nanoTime();
        Thread.sleep(WINDOW_MS);
        return (guest.counters().writes() - before) * 1e9 / (System.nanoTime() - start);
    }

    private static void startLog(GuestDevice device, long sizeBytes) {
        MemorySegment data = MemorySegment.ofArray(
                new byte[FeatureDmaLoggingControl.RANGES + FeatureDmaLoggingControl.RANGE_SIZEOF]);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, GuestMemory.PAGE_BYTES);
        data.set(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES, 1);
        long range = FeatureDmaLoggingControl.RANGES;
        data.set(JAVA_LONG_UNALIGNED, range + FeatureDmaLoggingControl.RANGE_IOVA, IOVA);
        data.set(JAVA_LONG_UNALIGNED, range + FeatureDmaLoggingControl.RANGE_LENGTH, sizeBytes);
        device.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data);
    }

    private record Moved(VirtualMachine machine, MigrationResult result) {}

    private static Moved move(VirtualMachine machine, Path to)
            throws IOException, InterruptedException, ExecutionException {
        try (ServerSocketChannel listening = ServerSocketChannel.open()) {
            listening.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            SocketChannel out = SocketChannel.open(listening.getLocalAddress());
            try (PlainChannel source = new PlainChannel(out, PATIENCE_NS);
                    PlainChannel destination = new PlainChannel(listening.accept(), PATIENCE_NS)) {
                GuestDevice device = new GuestDevice(VfioUserClient.connect(to, CLIENT));
                CompletableFuture<VirtualMachine> there = CompletableFuture.supplyAsync(() ->
                        new MigrationDestination(device, destination, DiskGuest.loader(device), Long.MAX_VALUE).run());
                MigrationResult result =
                        new MigrationSource(machine, source, MigrationOptions.DEFAULTS, progress -> {}).run();
                close(machine);
                return new Moved(there.get(), result);
            }
        }
    }

    private static void close(VirtualMachine machine) {
        machine.device().close();
        machine.memory().close();
    }
}
