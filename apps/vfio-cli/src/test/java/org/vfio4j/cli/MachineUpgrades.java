package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import org.vfio4j.sys.UnixSocket;

/** A machine of this process whose place others take, as those of other processes do. */
final class MachineUpgrades implements AutoCloseable {

    /** At which steps {@link #giveUp} can stop. */
    static final int STEPS = 5;

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

    /** The same with devices that the one that serves has a say in. */
    void upgradeFrom(Function<Takeover, Plug> plug) throws InterruptedException {
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
        UnixSocket.Pair pair = UnixSocket.pair();
        Thread giving = give(pair);
        try (FdChannel channel = new FdChannel(pair.second())) {
            receiveUntil(channel, step);
            last.accept(channel);
        }
        giving.join();
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
        int count = ByteBuffer.wrap(channel.receive(1 << 20, LIMIT_NS).bytes()).getInt();
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
            say(channel, UpgradeSource.PREPARED);
            assertThat(new String(channel.receive(1 << 20, LIMIT_NS).bytes(), StandardCharsets.UTF_8))
                    .isEqualTo(UpgradeSource.GO);
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
