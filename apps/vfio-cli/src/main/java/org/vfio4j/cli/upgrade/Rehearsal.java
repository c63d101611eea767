package org.vfio4j.cli.upgrade;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.process.CompilerThreads;
import org.vfio4j.cli.process.Precedence;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Nice;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * Hands disks with clients from one machine of this process to another, again and again, before another process waits for this one to
 * do it: what runs for the first time is slow.
 */
public final class Rehearsal {

    private static final System.Logger LOG = System.getLogger(Rehearsal.class.getName());
    private static final int TURNS = 20;

    /** On a busy machine its low priority can take it very long; what it has done by then is better than nothing. */
    private static final long LIMIT_NS = 5_000_000_000L;

    /** With all processors in use a thread that gives way may not even do its first turn in that. */
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private static final int TRAINING_TURNS = 100;
    private static final long PAUSE_NS = 10_000_000;
    private static final long FILE_BYTES = 1 << 20;

    private Rehearsal() {}

    /**
     * Does it in a process that serves nobody, in threads that give way to those of others that do. One that fails is no reason not to try
     * the real thing.
     */
    public static void alone() {
        AtomicBoolean wanted = new AtomicBoolean(true);
        Thread quietly = Thread.ofPlatform().daemon().name("vfio-rehearsal").start(() -> {
            Nice.giveWay();
            rehearse(TURNS, 0, wanted::get);
        });
        try {
            quietly.join(PATIENCE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        wanted.set(false);
        CompilerThreads.awaitIdle(() -> true);
    }

    /**
     * The same in a process that serves. Its threads do not give way: one that waits for a processor would make those that serve wait for
     * it at the next safepoint, and that was up to 100 ms. It pauses instead.
     */
    public static void whileServing() {
        whileServing(() -> true);
    }

    /** @param wanted whether it is to go on: asked before each turn */
    public static void whileServing(BooleanSupplier wanted) {
        rehearse(TURNS, PAUSE_NS, wanted);
        CompilerThreads.awaitIdle(wanted);
    }

    /** The same often enough for the JVM to remember it: once for all processes, when their AOT cache is made. */
    public static void training() {
        rehearse(TRAINING_TURNS, 0, () -> true);
    }

    /** Returns how many turns it has made. */
    static int rehearse(int turns, long pauseNs, BooleanSupplier wanted) {
        try (Fd file = MemFd.create("vfio4j-rehearsal", FILE_BYTES)) {
            Path directory = Files.createTempDirectory("vfio4j-rehearsal");
            try {
                return rehearse(disks(directory, file), turns, pauseNs, wanted);
            } finally {
                Files.deleteIfExists(directory);
            }
        } catch (IOException | RuntimeException e) {
            LOG.log(Level.WARNING, "the rehearsal failed, so guests may wait for longer: {0}", e.getMessage());
            LOG.log(Level.DEBUG, "the rehearsal failed", e);
            return 0;
        }
    }

    /** In memory and on a file, and of both kinds, which have little code in common. */
    private static List<RehearsedDisk> disks(Path directory, Fd file) {
        return List.of(
                new RehearsedDisk("0000:00:01.0", "virtio-blk", "memory=1M", directory.resolve("memory")),
                new RehearsedDisk(
                        "0000:00:02.0", "virtio-blk", "file=/proc/self/fd/" + file.value(), directory.resolve("file")),
                new RehearsedDisk("0000:00:03.0", "nvme", "memory=1M", directory.resolve("nvme")));
    }

    private static int rehearse(List<RehearsedDisk> disks, int turns, long pauseNs, BooleanSupplier wanted) {
        long end = System.nanoTime() + LIMIT_NS;
        Machine now = new Machine();
        List<RehearsedDisk.Guest> guests = new ArrayList<>();
        try {
            served(now, disks, Storage.ANEW);
            disks.forEach(disk -> guests.add(disk.open()));
            int turn = 0;
            while (turn < turns && System.nanoTime() - end < 0 && wanted.getAsBoolean()) {
                guests.forEach(RehearsedDisk.Guest::use);
                Machine before = now;
                now = handOver(before, disks);
                before.close();
                LockSupport.parkNanos(pauseNs);
                turn++;
            }
            return turn;
        } finally {
            guests.forEach(Rehearsal::close);
            now.close();
        }
    }

    /** In a process that serves others: what is left goes, whatever one of them says. */
    private static void close(RehearsedDisk.Guest guest) {
        try {
            guest.close();
        } catch (RuntimeException e) {
            LOG.log(Level.DEBUG, "the end of a rehearsal", e);
        }
    }

    private static Machine handOver(Machine from, List<RehearsedDisk> disks) {
        UnixSocket.Pair pair = UnixSocket.pair();
        UpgradeSource source =
                new UpgradeSource(from, List.of("serve"), Optional::empty, wanted -> {}, () -> {}, Precedence::none);
        Thread giving = Thread.ofPlatform()
                .daemon()
                .name("vfio-rehearsal-source")
                .start(() -> {
                    try (FdChannel channel = new FdChannel(pair.first())) {
                        source.hold(channel);
                    }
                });
        Machine to = new Machine();
        try (Takeover takeover = Takeover.over(new FdChannel(pair.second()))) {
            to.setTakingOver(true);
            served(to, disks, takeover.storage());
            takeover.finish(to, Precedence::none);
            giving.join();
            return to;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            to.close();
            throw new IllegalStateException("a rehearsal was interrupted", e);
        } catch (RuntimeException e) {
            to.close();
            throw e;
        }
    }

    private static void served(Machine machine, List<RehearsedDisk> disks, Storage storage) {
        DeviceKinds kinds = new DeviceKinds(storage);
        for (RehearsedDisk disk : disks) {
            machine.add(kinds.plan(disk.words()), Optional.of(disk.address()), Optional.empty())
                    .serve(new Endpoint.AtPath(disk.socket()), VfioUserServerOptions.DEFAULTS);
        }
    }
}
