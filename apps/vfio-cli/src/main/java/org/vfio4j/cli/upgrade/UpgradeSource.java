package org.vfio4j.cli.upgrade;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EPIPE;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.machine.Movable;
import org.vfio4j.cli.machine.MovingFunction;
import org.vfio4j.cli.machine.UpgradeOffer;
import org.vfio4j.cli.process.Precedence;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.text.Output;
import org.vfio4j.cli.text.Version;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * The side of an upgrade that gives: hands everything that is served to another process, or goes on as if nothing had been. The thread of the
 * control connection runs it.
 *
 * <p>Both sides, in packets: offer; READY; {@link UpgradeHead}; as many devices, each as soon as it has stopped; {@link StorageClaims}; TAKEN.
 * Instead of any of these a side may send what has gone wrong, and its end is the same. The offer comes with the descriptors of disks in
 * memory and of inherited sockets.
 *
 * <p>With TAKEN, and not before, the devices are the other's. It says so before it does anything with them, and one that is too late for it
 * gets EPIPE: so each side knows whose they are, also when a process is killed between two words.
 */
public final class UpgradeSource {

    static final String READY = "READY";
    static final String TAKEN = "TAKEN";

    /** How long the other process may take to start, build its machine and warm up. */
    private static final Duration START_LIMIT = Duration.ofSeconds(60);

    /** How long the other process, which has all and may take it, may need to say that it does, before this one goes on. */
    private static final Duration SWITCH_LIMIT = Duration.ofSeconds(2);

    /** How long to wait for the end of a try before, which may have failed a moment ago. */
    private static final Duration TURN_LIMIT = Duration.ofSeconds(5);

    private static final Duration BUSY_LIMIT = Duration.ofMillis(500);
    private static final int MAX_WORD_BYTES = 64 << 10;
    private static final long CLAIM_PAUSE_NS = 1_000_000;
    private static final long LOCKED_PAUSE_NS = 100_000_000;
    private static final System.Logger LOG = System.getLogger(UpgradeSource.class.getName());

    private final Machine machine;
    private final List<String> arguments;
    private final Supplier<Optional<String>> obstacle;
    private final Consumer<BooleanSupplier> warmUp;
    private final Runnable gone;
    private final Supplier<Precedence> precedence;
    private final Semaphore turn = new Semaphore(1);
    private volatile boolean left;

    /**
     * @param arguments of {@code vfio}, as this process got them
     * @param obstacle why nothing can be handed over now; empty when it can
     * @param warmUp what to do while the other process warms up, as long as that one is there
     * @param gone what to do when another process has everything
     * @param precedence for the moment in which nobody serves
     */
    public UpgradeSource(
            Machine machine,
            List<String> arguments,
            Supplier<Optional<String>> obstacle,
            Consumer<BooleanSupplier> warmUp,
            Runnable gone,
            Supplier<Precedence> precedence) {
        this.machine = machine;
        this.obstacle = obstacle;
        this.arguments = List.copyOf(arguments);
        this.warmUp = warmUp;
        this.gone = gone;
        this.precedence = precedence;
    }

    /** Whether another process takes over, or tries to. */
    public boolean isRunning() {
        return turn.availablePermits() == 0;
    }

    /** Talks to a process that has asked for everything. Throws nothing. */
    public void hold(FdChannel channel) {
        try {
            takeTurn();
        } catch (ErrnoException e) {
            refuse(channel, e);
            return;
        }
        List<BlockBackend> unclaimed = new ArrayList<>();
        try {
            give(channel, unclaimed);
        } catch (ErrnoException e) {
            refuse(channel, e);
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "not handed over", e);
            tell(channel, new ErrnoException(EIO, e.toString()));
        } finally {
            awaitClaims(unclaimed);
            turn.release();
        }
    }

    private static void refuse(FdChannel channel, ErrnoException why) {
        LOG.log(Level.INFO, "not handed over: {0}", why.getMessage());
        tell(channel, why);
    }

    private void takeTurn() {
        try {
            if (!turn.tryAcquire(TURN_LIMIT.toNanos(), TimeUnit.NANOSECONDS)) {
                throw new ErrnoException(
                        EBUSY, "another process takes over already, or has not let go, for more than " + TURN_LIMIT);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ErrnoException(EINTR, "wait for another process that takes over");
        }
        if (left) {
            turn.release();
            throw new ErrnoException(ENODEV, "another process has taken over");
        }
    }

    /** @param unclaimed gets the storage that another process has locked, when this throws */
    private void give(FdChannel channel, List<BlockBackend> unclaimed) {
        checkNoObstacle();
        UpgradeOffer offer = offer(channel);
        warmUp.accept(() -> !channel.hasEnded());
        Precedence prepared = precedence.get();
        expect(channel, READY, START_LIMIT);
        machine.changes().close(BUSY_LIMIT);
        try {
            // Some may have come or gone meanwhile.
            checkNoObstacle();
            checkSameDevices(offer);
            handOver(channel, prepared, unclaimed);
            left = true;
        } finally {
            machine.changes().open(left);
        }
        gone.run();
    }

    /** Returns when another process has everything; when this throws, everything goes on here. */
    private void handOver(FdChannel channel, Precedence prepared, List<BlockBackend> claimed) {
        List<Movable> stopped = new ArrayList<>();
        List<MovingFunction> moving = new ArrayList<>();
        Map<String, List<BlockBackend>> storages = machine.storages();
        List<Movable> served = served();
        boolean taken = false;
        try (Precedence asLongAsGuestsWait = prepared.take()) {
            send(channel, new UpgradeHead(served.size(), System.nanoTime()).toBytes(), List.of());
            for (Movable device : served) {
                MovingFunction state = device.handOver(BUSY_LIMIT);
                moving.add(state);
                stopped.add(device);
                send(channel, state.toBytes(), state.fds());
            }
            StorageClaims claims = StorageClaims.of(storages);
            storages.values()
                    .forEach(each ->
                            each.stream().filter(BlockBackend::isClaimed).forEach(claimed::add));
            claimed.forEach(BlockBackend::release);
            // Its last byte allows the other process to take all: nothing that could fail may stand between it and the
            // next line.
            send(channel, claims.toBytes(), List.of());
            expect(TAKEN, channel.receiveLast(MAX_WORD_BYTES, SWITCH_LIMIT.toNanos()));
            // From here on the devices are the other's, whatever comes.
            taken = true;
        } finally {
            moving.forEach(MovingFunction::close);
            if (taken) {
                Movable.each(stopped, Movable::leaveToOther);
                claimed.clear();
            } else {
                Movable.each(stopped, Movable::goOn);
                claimAgain(claimed);
            }
        }
    }

    private void checkSameDevices(UpgradeOffer offer) {
        List<Fd> fds = new ArrayList<>();
        try {
            if (!offer.hasDevicesOf(offer(fds))) {
                throw new ErrnoException(EAGAIN, "hand over this process: a device has come or gone meanwhile");
            }
        } finally {
            fds.forEach(Fd::close);
        }
    }

    private List<Movable> served() {
        return machine.movables().stream().filter(Movable::isServed).toList();
    }

    private void checkNoObstacle() {
        obstacle.get().ifPresent(why -> {
            throw new ErrnoException(EOPNOTSUPP, "hand over this process: " + why);
        });
    }

    private UpgradeOffer offer(FdChannel channel) {
        List<Fd> fds = new ArrayList<>();
        try {
            UpgradeOffer offer = offer(fds);
            if (offer.served() == 0) {
                throw new ErrnoException(EOPNOTSUPP, "nothing is served here");
            }
            channel.send(
                    bytes(Output.jsonLine("UpgradeOffer", List.of(offer), UpgradeOffer::write)),
                    fds,
                    SWITCH_LIMIT.toNanos());
            return offer;
        } finally {
            fds.forEach(Fd::close);
        }
    }

    /** @param fds gets descriptors of the disks in memory and of inherited sockets, the caller's */
    private UpgradeOffer offer(List<Fd> fds) {
        List<UpgradeOffer.Memory> memories = new ArrayList<>();
        machine.storages().forEach((device, storages) -> {
            for (int i = 0; i < storages.size(); i++) {
                Optional<Fd> memory = storages.get(i).shareMemory();
                if (memory.isPresent()) {
                    memories.add(new UpgradeOffer.Memory(device, i));
                    fds.add(memory.get());
                }
            }
        });
        List<String> sockets = new ArrayList<>();
        for (MachineFunction function : machine.functions()) {
            function.shareSocket().ifPresent(socket -> {
                sockets.add(function.name());
                fds.add(socket);
            });
        }
        return new UpgradeOffer(
                UpgradeOffer.FORMAT,
                new Version().getVersion()[0],
                Path.of("").toAbsolutePath().toString(),
                arguments,
                served().size(),
                machine.functions().stream().map(MachineFunction::offer).toList(),
                machine.emulated(),
                List.copyOf(machine.storages().keySet()),
                memories,
                sockets,
                machine.mdevs().offers());
    }

    /** A process that does not want any more says why before it ends. */
    private static void send(FdChannel channel, byte[] packet, List<Fd> fds) {
        try {
            channel.send(packet, fds, SWITCH_LIMIT.toNanos());
        } catch (ErrnoException e) {
            if (e.errno() == EPIPE || e.errno() == ECONNRESET) {
                expect(channel, TAKEN, SWITCH_LIMIT);
            }
            throw e;
        }
    }

    private static void expect(FdChannel channel, String word, Duration limit) {
        expect(word, channel.receive(MAX_WORD_BYTES, limit.toNanos()));
    }

    private static void expect(String word, FdChannel.Packet heard) {
        try (FdChannel.Packet packet = heard) {
            String said = new String(packet.bytes(), StandardCharsets.UTF_8);
            if (!said.equals(word)) {
                throw new ErrnoException(EPROTO, "the process that was to take over says: " + said);
            }
        }
    }

    /**
     * The other process may need a moment to end.
     *
     * @param storages those that it has still stay in this list
     */
    private static void claimAgain(List<BlockBackend> storages) {
        long deadline = System.nanoTime() + SWITCH_LIMIT.toNanos();
        storages.removeIf(UpgradeSource::claims);
        while (!storages.isEmpty() && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(CLAIM_PAUSE_NS);
            storages.removeIf(UpgradeSource::claims);
        }
    }

    /** One that does not end, but was stopped, has its locks until it goes on: nobody else takes over before that. */
    private void awaitClaims(List<BlockBackend> storages) {
        storages.forEach(storage ->
                LOG.log(Level.WARNING, "{0} is used without a lock until another process ends", storage.describe()));
        while (!storages.isEmpty()) {
            LockSupport.parkNanos(LOCKED_PAUSE_NS);
            List<BlockBackend> there =
                    machine.storages().values().stream().flatMap(List::stream).toList();
            storages.removeIf(storage -> !there.contains(storage) || claims(storage));
        }
    }

    /** Whether there is nothing left to do about it. */
    private static boolean claims(BlockBackend storage) {
        try {
            storage.claim();
            return true;
        } catch (ErrnoException e) {
            return e.errno() != EBUSY;
        }
    }

    private static void tell(FdChannel channel, ErrnoException failure) {
        try {
            channel.send(bytes(ServerControl.failure(failure)), List.of(), SWITCH_LIMIT.toNanos());
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "nobody listens any more: {0}", e.getMessage());
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
