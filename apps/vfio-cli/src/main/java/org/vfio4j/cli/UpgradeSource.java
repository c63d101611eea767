package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * The side of an upgrade that gives: hands everything that is served to another process, or goes on as if nothing had been. The thread of the
 * control connection runs it.
 *
 * <p>Both sides, in packets: offer; READY; {@link UpgradeHead}; as many devices; PREPARED; GO. Instead of any of these the
 * receiving side may send what has gone wrong, and its end is the same. The offer comes with the descriptors of disks in memory.
 */
final class UpgradeSource implements ControlSocket.Conversation {

    static final String READY = "READY";
    static final String PREPARED = "PREPARED";
    static final String GO = "GO";

    /** How long the other process may take to start, build its machine and warm up. */
    private static final Duration START_LIMIT = Duration.ofSeconds(60);

    /** How long devices may stand still before this process goes on with them. */
    private static final Duration SWITCH_LIMIT = Duration.ofSeconds(2);

    private static final Duration BUSY_LIMIT = Duration.ofMillis(500);
    private static final int MAX_WORD_BYTES = 64 << 10;
    private static final long CLAIM_PAUSE_NS = 1_000_000;
    private static final System.Logger LOG = System.getLogger(UpgradeSource.class.getName());

    private final Machine machine;
    private final List<String> arguments;
    private final Supplier<Optional<String>> obstacle;
    private final Runnable warmUp;
    private final Runnable gone;
    private final AtomicBoolean running = new AtomicBoolean();

    /**
     * @param arguments of {@code vfio}, as this process got them
     * @param obstacle why nothing can be handed over now; empty when it can
     * @param warmUp what to do while the other process warms up
     * @param gone what to do when another process has everything
     */
    UpgradeSource(
            Machine machine,
            List<String> arguments,
            Supplier<Optional<String>> obstacle,
            Runnable warmUp,
            Runnable gone) {
        this.machine = machine;
        this.obstacle = obstacle;
        this.arguments = List.copyOf(arguments);
        this.warmUp = warmUp;
        this.gone = gone;
    }

    /** Whether another process takes over, or tries to. */
    boolean isRunning() {
        return running.get();
    }

    @Override
    public void hold(FdChannel channel) {
        try {
            if (!running.compareAndSet(false, true)) {
                throw new ErrnoException(EBUSY, "another process takes over already");
            }
            try {
                give(channel);
            } finally {
                running.set(false);
            }
        } catch (ErrnoException e) {
            LOG.log(Level.INFO, "not handed over: {0}", e.getMessage());
            tell(channel, e);
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "not handed over", e);
            tell(channel, new ErrnoException(EIO, e.toString()));
        }
    }

    private void give(FdChannel channel) {
        checkNoObstacle();
        UpgradeOffer offer = offer(channel);
        warmUp.run();
        expect(channel, READY, START_LIMIT);
        machine.changes().close(BUSY_LIMIT);
        boolean left = false;
        try {
            // Some may have come or gone meanwhile.
            checkNoObstacle();
            checkSameDevices(offer);
            left = handOver(channel);
        } finally {
            machine.changes().open(left);
        }
        gone.run();
    }

    /** Returns when another process has everything; when this throws, everything goes on here. */
    private boolean handOver(FdChannel channel) {
        List<Movable> stopped = new ArrayList<>();
        List<MovingFunction> moving = new ArrayList<>();
        List<BlockBackend> claimed = new ArrayList<>();
        Map<String, List<BlockBackend>> storages = machine.storages();
        List<Movable> served = served();
        boolean left = false;
        try {
            long since = System.nanoTime();
            for (Movable device : served) {
                moving.add(device.handOver(BUSY_LIMIT));
                stopped.add(device);
            }
            UpgradeHead head = UpgradeHead.of(moving.size(), since, storages);
            storages.values()
                    .forEach(each ->
                            each.stream().filter(BlockBackend::isClaimed).forEach(claimed::add));
            claimed.forEach(BlockBackend::release);
            send(channel, head, moving);
            expect(channel, PREPARED, SWITCH_LIMIT);
            // A word that cannot be sent has reached nobody.
            channel.send(bytes(GO), List.of(), SWITCH_LIMIT.toNanos());
            // From here on the devices are the other's, whatever comes.
            left = true;
        } finally {
            moving.forEach(MovingFunction::close);
            if (left) {
                Movable.each(stopped, Movable::leaveToOther);
            } else {
                Movable.each(stopped, Movable::goOn);
                claimAgain(claimed);
            }
        }
        return left;
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

    /** @param fds gets descriptors of the disks in memory, the caller's */
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
                machine.mdevs().offers());
    }

    private static void send(FdChannel channel, UpgradeHead head, List<MovingFunction> moving) {
        channel.send(head.toBytes(), List.of(), SWITCH_LIMIT.toNanos());
        for (MovingFunction device : moving) {
            channel.send(device.toBytes(), device.fds(), SWITCH_LIMIT.toNanos());
        }
    }

    private static void expect(FdChannel channel, String word, Duration limit) {
        try (FdChannel.Packet packet = channel.receive(MAX_WORD_BYTES, limit.toNanos())) {
            String said = new String(packet.bytes(), StandardCharsets.UTF_8);
            if (!said.equals(word)) {
                throw new ErrnoException(EPROTO, "the process that was to take over says: " + said);
            }
        }
    }

    /** The other process may need a moment to end. */
    private static void claimAgain(List<BlockBackend> storages) {
        long deadline = System.nanoTime() + SWITCH_LIMIT.toNanos();
        for (BlockBackend storage : storages) {
            while (!claims(storage)) {
                if (System.nanoTime() - deadline > 0) {
                    LOG.log(Level.WARNING, "{0} is used without a lock from now on", storage.describe());
                    break;
                }
                LockSupport.parkNanos(CLAIM_PAUSE_NS);
            }
        }
    }

    private static boolean claims(BlockBackend storage) {
        try {
            storage.claim();
            return true;
        } catch (ErrnoException e) {
            return false;
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
