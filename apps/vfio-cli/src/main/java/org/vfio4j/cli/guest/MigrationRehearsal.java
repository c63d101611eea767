package org.vfio4j.cli.guest;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.cli.process.CompilerThreads;
import org.vfio4j.userspace.vmm.DiskGuest;
import org.vfio4j.userspace.vmm.DiskGuestOptions;
import org.vfio4j.userspace.vmm.GuestDevice;
import org.vfio4j.userspace.vmm.GuestMemory;
import org.vfio4j.userspace.vmm.MigrationDestination;
import org.vfio4j.userspace.vmm.MigrationOptions;
import org.vfio4j.userspace.vmm.MigrationSource;
import org.vfio4j.userspace.vmm.PlainChannel;
import org.vfio4j.userspace.vmm.VirtualMachine;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * Moves a small guest between two servers of this process, to and fro, before a guest stands still for it: what runs for the first time is
 * slow. A process does it once, be it a hypervisor or a server.
 */
public final class MigrationRehearsal {

    /** How long it goes on at most, but for a move. */
    private static final long LIMIT_NS = 1_500_000_000L;

    /** How long it takes at most, with the last move and what compilers have left to do. */
    static final long MOST_NS = 2 * LIMIT_NS + CompilerThreads.LIMIT_NS;

    private static final int MOVES = 40;
    private static final long DISK_BYTES = 1 << 20;
    private static final long MEMORY_BYTES = 2 << 20;
    private static final long PATIENCE_NS = 2_000_000_000L;
    private static final PciAddress DPU = PciAddress.parse("0000:07:00.0");
    private static final PciAddress DISK = PciAddress.parse("0000:08:00.0");
    private static final DiskGuestOptions LOAD = new DiskGuestOptions(2, 0, 1 << 20);
    /** However slow the machine is: it is the way that counts. */
    private static final MigrationOptions OPTIONS = new MigrationOptions(LIMIT_NS, LIMIT_NS);

    private static final AtomicBoolean DONE = new AtomicBoolean();

    private MigrationRehearsal() {}

    /**
     * Does it; nothing the second time. One that fails is no reason not to try the real thing. Its threads do not give way to those that
     * serve guests meanwhile: these would wait for them at the next safepoint.
     */
    public static void run() {
        if (DONE.getAndSet(true)) {
            return;
        }
        Thread quietly = Thread.ofPlatform().daemon().name("vfio-rehearsal").start(() -> {
            rehearse();
            CompilerThreads.awaitIdle(() -> true);
        });
        try {
            quietly.join(Duration.ofNanos(MOST_NS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void rehearse() {
        try {
            Path directory = Files.createTempDirectory("vfio4j-rehearsal");
            Path[] sockets = {directory.resolve("a"), directory.resolve("b")};
            try {
                moveBetween(sockets);
            } finally {
                for (Path each : List.of(sockets[0], sockets[1], directory)) {
                    Files.deleteIfExists(each);
                }
            }
        } catch (IOException | ExecutionException | RuntimeException e) {
            System.getLogger(MigrationRehearsal.class.getName())
                    .log(System.Logger.Level.DEBUG, "the rehearsal failed", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void moveBetween(Path[] sockets) throws IOException, InterruptedException, ExecutionException {
        long end = System.nanoTime() + LIMIT_NS;
        // Devices go after their servers, which use them.
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Machine here = new Machine(storage);
                Machine there = new Machine(storage);
                EventLoop loop = new EventLoop();
                VfioUserServer first = here.serve(loop, sockets[0]);
                VfioUserServer second = there.serve(loop, sockets[1])) {
            GuestDevice device = GuestCommand.device(sockets[0]);
            GuestMemory memory = GuestMemory.create(List.of(new GuestMemory.Range(GuestCommand.IOVA, MEMORY_BYTES)));
            memory.mapFor(device);
            VirtualMachine machine = new VirtualMachine(device, memory, new DiskGuest(device, memory, LOAD));
            try {
                machine.guest().resume();
                for (int i = 1; i <= MOVES && System.nanoTime() - end < 0; i++) {
                    VirtualMachine before = machine;
                    machine = move(before, sockets[i % 2]);
                    close(before);
                }
                ((DiskGuest) machine.guest()).finish();
            } finally {
                close(machine);
            }
            System.getLogger(MigrationRehearsal.class.getName())
                    .log(System.Logger.Level.DEBUG, "rehearsed between {0} and {1}", first, second);
        }
    }

    private static VirtualMachine move(VirtualMachine machine, Path to)
            throws IOException, InterruptedException, ExecutionException {
        try (ServerSocketChannel listening = ServerSocketChannel.open()) {
            listening.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1);
            try (PlainChannel out = new PlainChannel(SocketChannel.open(listening.getLocalAddress()), PATIENCE_NS);
                    PlainChannel in = new PlainChannel(listening.accept(), PATIENCE_NS)) {
                GuestDevice device = GuestCommand.device(to);
                CompletableFuture<VirtualMachine> arrival = new CompletableFuture<>();
                Thread.ofPlatform()
                        .daemon()
                        .name("vfio-rehearsal-destination")
                        .start(() -> arrive(device, in, arrival));
                new MigrationSource(machine, out, OPTIONS, progress -> {}).run();
                return arrival.get();
            }
        }
    }

    private static void arrive(GuestDevice device, PlainChannel in, CompletableFuture<VirtualMachine> arrival) {
        try {
            arrival.complete(new MigrationDestination(device, in, DiskGuest.loader(device), 2 * MEMORY_BYTES).run());
        } catch (RuntimeException e) {
            // Of whatever kind: somebody waits for it.
            device.close();
            arrival.completeExceptionally(e);
        }
    }

    /** With a disk that a DPU emulates. */
    private static final class Machine implements AutoCloseable {

        private final VfioRegistry registry = new VfioRegistry();
        private final Bluefield dpu;

        Machine(MemoryBackend storage) {
            PciBus bus = new PciBus();
            bus.provide(VfioRegistry.class, registry);
            bus.loadDrivers();
            bus.auxiliary().loadDrivers();
            dpu = new Bluefield(bus, DPU);
            dpu.createVirtioBlk(
                    0,
                    DISK,
                    VirtioBlk.builder(storage).name("rehearsal").queueSize(256).build());
        }

        VfioUserServer serve(EventLoop loop, Path socket) {
            LocalDeviceFile file = registry.devices().stream()
                    .filter(device -> device.parentName().equals(DISK.toString()))
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

    /** A guest that has not moved may run: its memory goes after its thread. */
    private static void close(VirtualMachine machine) {
        machine.guest().stop();
        machine.device().close();
        machine.memory().close();
    }
}
