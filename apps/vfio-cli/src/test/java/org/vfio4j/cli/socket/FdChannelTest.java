package org.vfio4j.cli.socket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EMSGSIZE;
import static org.vfio4j.sys.Errno.EPIPE;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;

/** Packets with descriptors. */
class FdChannelTest {

    private static final long LIMIT_NS = 10_000_000_000L;

    private final Leaks before = Leaks.snapshot();
    private final UnixSocket.Pair pair = UnixSocket.pair();
    private final FdChannel here = new FdChannel(pair.first());
    private final FdChannel there = new FdChannel(pair.second());

    @AfterEach
    void close() {
        here.close();
        there.close();
        before.assertNone();
    }

    @Test
    void carriesMoreDescriptorsThanOneMessageOfTheKernelTakesAndLargeBytes() {
        List<Fd> sent = new ArrayList<>();
        for (int i = 0; i < 450; i++) {
            sent.add(EventFd.create());
        }
        byte[] bytes = new byte[1 << 20];
        bytes[bytes.length - 1] = 7;
        CompletableFuture<Void> sending = CompletableFuture.runAsync(() -> here.send(bytes, sent, LIMIT_NS));
        try (FdChannel.Packet packet = there.receive(1 << 20, LIMIT_NS)) {
            sending.join();
            assertThat(packet.bytes()).isEqualTo(bytes);
            assertThat(packet.fds()).hasSize(450);
            EventFd.signal(packet.fds().get(449).value());
            assertThat(EventFd.drain(sent.get(449).value())).isEqualTo(1);
        }
        sent.forEach(Fd::close);
    }

    @Test
    void packetsKeepTheirOrderAndMayBeEmpty() {
        here.send(new byte[0], List.of(), LIMIT_NS);
        here.send(new byte[] {1}, List.of(), LIMIT_NS);
        assertThat(there.receive(0, LIMIT_NS).bytes()).isEmpty();
        assertThat(there.receive(1, LIMIT_NS).bytes()).containsExactly(1);
    }

    @Test
    void refusesAPacketThatIsTooLargeOrDoesNotComeOrEndsEarly() {
        refused(ETIMEDOUT, 1, 1_000_000);
        here.send(new byte[2], List.of(), LIMIT_NS);
        refused(EMSGSIZE, 1, LIMIT_NS);
        here.close();
        // What was left of the packet, which is no header, and then nothing.
        refused(ECONNRESET, 1, LIMIT_NS);
    }

    @Test
    void aWordThatIsTooLateIsOneForBothSides() {
        there.send(new byte[] {7}, List.of(), LIMIT_NS);
        assertThat(here.receiveLast(1, 0).bytes()).containsExactly(7);
        there.send(new byte[] {8}, List.of(), LIMIT_NS);
        assertThat(here.receiveLast(1, LIMIT_NS).bytes()).containsExactly(8);
        assertThatThrownBy(() -> here.receiveLast(1, 1_000_000))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(ETIMEDOUT));
        assertThatThrownBy(() -> there.send(new byte[] {9}, List.of(), LIMIT_NS))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EPIPE));
        // The other way is open still.
        here.send(new byte[] {1}, List.of(), LIMIT_NS);
        assertThat(there.receive(1, LIMIT_NS).bytes()).containsExactly(1);
    }

    /** Whenever the word comes, both sides agree on whether it has. */
    @Test
    void bothSidesAgreeOnAWordThatComesJustWhenItsTimeIsOver() {
        try (ExecutorService other = Executors.newSingleThreadExecutor()) {
            for (int i = 0; i < 2_000; i++) {
                UnixSocket.Pair race = UnixSocket.pair();
                try (FdChannel hears = new FdChannel(race.first());
                        FdChannel says = new FdChannel(race.second())) {
                    long delayNs = i * 100L;
                    CompletableFuture<Boolean> said = CompletableFuture.supplyAsync(
                            () -> {
                                LockSupport.parkNanos(delayNs);
                                return succeeds(() -> says.send(new byte[] {1}, List.of(), LIMIT_NS));
                            },
                            other);
                    boolean heard = succeeds(() -> hears.receiveLast(1, 100_000).close());
                    assertThat(said.join()).isEqualTo(heard);
                }
            }
        }
    }

    @Test
    void thePeersEndIsNoticedBeforeItIsReceived() {
        there.send(new byte[] {1}, List.of(), LIMIT_NS);
        assertThat(here.hasEnded()).isFalse();
        there.close();
        assertThat(here.hasEnded()).isTrue();
        assertThat(here.receive(1, LIMIT_NS).bytes()).containsExactly(1);
    }

    private static boolean succeeds(Runnable call) {
        try {
            call.run();
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    private void refused(int errno, int maxBytes, long limitNs) {
        assertThatThrownBy(() -> there.receive(maxBytes, limitNs))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
