package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.sys.UnixSocket;

/** A machine of this process whose place others take, as those of other processes do. */
final class MachineUpgrades implements AutoCloseable {

    /** At which steps {@link #giveUp} can stop. */
    static final int STEPS = 4;

    private static final long LIMIT_NS = 10_000_000_000L;

    /** What a machine has. */
    interface Plug {
        void into(Machine machine, Storage storage);
    }

    private Machine now = new Machine();
    private final AtomicInteger gone = new AtomicInteger();

    MachineUpgrades(Plug plug) {
        plug.into(now, Storage.ANEW);
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
        UnixSocket.Pair pair = UnixSocket.pair();
        Thread giving = give(pair);
        Machine next = new Machine();
        try (Takeover takeover = Takeover.over(new FdChannel(pair.second()))) {
            next.setTakingOver(true);
            plug.into(next, takeover.storage());
            takeover.finish(next);
        } catch (RuntimeException e) {
            next.close();
            throw e;
        } finally {
            giving.join();
        }
        now.close();
        now = next;
    }

    /** Has a process begin to take over that goes away at a step, or says what makes no sense. */
    void giveUp(int step) throws InterruptedException {
        UnixSocket.Pair pair = UnixSocket.pair();
        Thread giving = give(pair);
        try (FdChannel channel = new FdChannel(pair.second())) {
            receiveUntil(channel, step);
        }
        giving.join();
    }

    private void receiveUntil(FdChannel channel, int step) {
        channel.receive(1 << 20, LIMIT_NS).close();
        if (step == 0) {
            return;
        }
        byte[] word = step == 1
                ? "what?".getBytes(StandardCharsets.UTF_8)
                : UpgradeSource.READY.getBytes(StandardCharsets.UTF_8);
        channel.send(word, List.of(), LIMIT_NS);
        if (step == 1) {
            return;
        }
        int count = ByteBuffer.wrap(channel.receive(1 << 20, LIMIT_NS).bytes()).getInt();
        assertThat(count)
                .isEqualTo(now.movables().stream().filter(Movable::isServed).count());
        if (step == 3) {
            channel.receive(1 << 20, LIMIT_NS).close();
            channel.send("no room".getBytes(StandardCharsets.UTF_8), List.of(), LIMIT_NS);
        }
    }

    private Thread give(UnixSocket.Pair pair) {
        UpgradeSource source =
                new UpgradeSource(now, List.of("serve"), Optional::empty, () -> {}, gone::incrementAndGet);
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
