package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
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
 * <p>Both sides, in packets: offer; READY; a count and when it all stopped; as many functions; PREPARED; GO. Instead of any of these the
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
        obstacle.get().ifPresent(why -> {
            throw new ErrnoException(EOPNOTSUPP, "hand over this process: " + why);
        });
        List<MachineFunction> served =
                machine.functions().stream().filter(MachineFunction::isServed).toList();
        offer(channel, served.size());
        warmUp.run();
        expect(channel, READY, START_LIMIT);
        List<MachineFunction> stopped = new ArrayList<>();
        List<MovingFunction> moving = new ArrayList<>();
        List<BlockBackend> claimed =
                storages().stream().filter(BlockBackend::isClaimed).toList();
        boolean left = false;
        try {
            long since = System.nanoTime();
            for (MachineFunction function : served) {
                moving.add(function.handOver(BUSY_LIMIT));
                stopped.add(function);
            }
            claimed.forEach(BlockBackend::release);
            send(channel, since, moving);
            expect(channel, PREPARED, SWITCH_LIMIT);
            // A word that cannot be sent has reached nobody.
            channel.send(bytes(GO), List.of(), SWITCH_LIMIT.toNanos());
            // From here on the functions are the other's, whatever comes.
            left = true;
        } finally {
            moving.forEach(MovingFunction::close);
            if (left) {
                stopped.forEach(MachineFunction::leaveToOther);
                gone.run();
            } else {
                stopped.forEach(MachineFunction::goOn);
                claimAgain(claimed);
            }
        }
    }

    private void offer(FdChannel channel, int functions) {
        if (functions == 0) {
            throw new ErrnoException(EOPNOTSUPP, "nothing is served here");
        }
        List<UpgradeOffer.Memory> memories = new ArrayList<>();
        List<Fd> fds = new ArrayList<>();
        try {
            for (MachineFunction function : machine.functions()) {
                List<BlockBackend> storages = function.storages();
                for (int i = 0; i < storages.size(); i++) {
                    Optional<Fd> memory = storages.get(i).shareMemory();
                    if (memory.isPresent()) {
                        memories.add(new UpgradeOffer.Memory(function.device().toString(), i));
                        fds.add(memory.get());
                    }
                }
            }
            UpgradeOffer offer = new UpgradeOffer(
                    new Version().getVersion()[0],
                    Path.of("").toAbsolutePath().toString(),
                    arguments,
                    functions,
                    memories);
            channel.send(
                    bytes(Output.jsonLine("UpgradeOffer", List.of(offer), UpgradeOffer::write)),
                    fds,
                    SWITCH_LIMIT.toNanos());
        } finally {
            fds.forEach(Fd::close);
        }
    }

    private static void send(FdChannel channel, long since, List<MovingFunction> moving) {
        byte[] head = ByteBuffer.allocate(Integer.BYTES + Long.BYTES)
                .putInt(moving.size())
                .putLong(since)
                .array();
        channel.send(head, List.of(), SWITCH_LIMIT.toNanos());
        for (MovingFunction function : moving) {
            channel.send(function.toBytes(), function.server().fds(), SWITCH_LIMIT.toNanos());
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

    private List<BlockBackend> storages() {
        return machine.functions().stream()
                .flatMap(function -> function.storages().stream())
                .toList();
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
