package org.vfio4j.cli.upgrade;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.Movable;
import org.vfio4j.cli.process.Precedence;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.BusyMachine;

/** A machine of this process whose place others take, as those of other processes do. */
public final class MachineUpgrades implements AutoCloseable {

    /** At which steps {@link #giveUp} can stop. */
    static final int STEPS = 5;

    /** How often an upgrade is tried that is to succeed. */
    public static final int ATTEMPTS = 3;

    private static final List<String> TOO_SLOW = List.of("ETIMEDOUT", "EBUSY", "has not waited for that");
    private static final long LIMIT_NS = 10_000_000_000L;

    /** What a machine has. */
    interface Plug {
        void into(Machine machine, Storage storage);
    }

    private Machine now = new Machine();
    private UpgradeSource source;
    private final AtomicInteger gone = new AtomicInteger();
    private volatile Consumer<BooleanSupplier> warmUp = wanted -> {};

    MachineUpgrades(Plug plug) {
        plug.into(now, Storage.ANEW);
        source = source();
    }

    /** What the one that serves does while another one warms up. */
    void warmUp(Consumer<BooleanSupplier> how) {
        warmUp = how;
    }

    /** The one that serves. */
    Machine now() {
        return now;
    }

    /** How often another has taken over. */
    int count() {
        return gone.get();
    }

    /** Has another machine, with these devices, take over. When that throws the old one serves on. */
    void upgrade(Plug plug) throws InterruptedException {
        upgradeFrom(takeover -> plug);
    }

    /** The same with devices that the one that serves has a say in. Tries again when only the machine was too slow for it. */
    void upgradeFrom(Function<Takeover, Plug> plug) throws InterruptedException {
        retry(() -> tryUpgrade(plug));
    }

    private interface Attempt {
        void run() throws InterruptedException;
    }

    private static void retry(Attempt what) throws InterruptedException {
        for (int i = 1; ; i++) {
            try {
                what.run();
                return;
            } catch (ErrnoException e) {
                if (i == ATTEMPTS || !isTooSlow(String.valueOf(e.getMessage()))) {
                    throw e;
                }
                BusyMachine.excuse(e.getMessage());
            }
        }
    }

    /** Whether an upgrade failed with this because a time was over, as it may be on a busy machine: the old server serves on. */
    public static boolean isTooSlow(String failure) {
        return !failure.contains("took over") && TOO_SLOW.stream().anyMatch(failure::contains);
    }

    private void tryUpgrade(Function<Takeover, Plug> plug) throws InterruptedException {
        UnixSocket.Pair pair = UnixSocket.pair();
        Thread giving = give(pair);
        Machine next = new Machine();
        try (Takeover takeover = Takeover.over(new FdChannel(pair.second()))) {
            next.setTakingOver(true);
            plug.apply(takeover).into(next, takeover.storage());
            takeover.finish(next, Precedence::none);
        } catch (RuntimeException e) {
            next.close();
            throw e;
        } finally {
            giving.join();
        }
        now.close();
        now = next;
        source = source();
    }

    /** Has a process begin to take over that goes away at a step, or says what makes no sense. */
    void giveUp(int step) throws InterruptedException {
        giveUp(step, channel -> {});
    }

    /** @param last what it does before it goes */
    void giveUp(int step, Consumer<FdChannel> last) throws InterruptedException {
        retry(() -> {
            UnixSocket.Pair pair = UnixSocket.pair();
            Thread giving = give(pair);
            try (FdChannel channel = new FdChannel(pair.second())) {
                receiveUntil(channel, step);
                last.accept(channel);
            } finally {
                giving.join();
            }
        });
    }

    private void receiveUntil(FdChannel channel, int step) {
        channel.receive(1 << 20, LIMIT_NS).close();
        if (step == 0) {
            return;
        }
        say(channel, step == 1 ? "what?" : UpgradeSource.READY);
        if (step == 1) {
            return;
        }
        int count = ByteBuffer.wrap(hear(channel)).getInt();
        assertThat(count)
                .isEqualTo(now.movables().stream().filter(Movable::isServed).count());
        if (step == 3) {
            channel.receive(1 << 20, LIMIT_NS).close();
            say(channel, "no room");
        }
        if (step == 4) {
            for (int i = 0; i < count; i++) {
                channel.receive(1 << 20, LIMIT_NS).close();
            }
            hear(channel);
        }
    }

    /** @throws ErrnoException when the source says that it goes on, with its words */
    private static byte[] hear(FdChannel channel) {
        try (FdChannel.Packet packet = channel.receive(1 << 20, LIMIT_NS)) {
            byte[] said = packet.bytes();
            if (said.length > 0 && said[0] == '{') {
                throw new ErrnoException(Errno.EPROTO, new String(said, StandardCharsets.UTF_8));
            }
            return said;
        }
    }

    static void say(FdChannel channel, String word) {
        channel.send(word.getBytes(StandardCharsets.UTF_8), List.of(), LIMIT_NS);
    }

    private UpgradeSource source() {
        return new UpgradeSource(
                now,
                List.of("serve"),
                Optional::empty,
                wanted -> warmUp.accept(wanted),
                gone::incrementAndGet,
                Precedence::none);
    }

    private Thread give(UnixSocket.Pair pair) {
        UpgradeSource source = this.source;
        return Thread.ofPlatform().start(() -> {
            try (FdChannel channel = new FdChannel(pair.first())) {
                source.hold(channel);
            }
        });
    }

    @Override
    public void close() {
        now.close();
    }
}
