package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.vfio4j.avfdriver.AvfDriver;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.i40evf.NetworkPort;

/** A function moves between two servers while frames go both ways: each arrives once, in order. */
class MigrationUnderTrafficTest {

    private static final int MOVES = 12;
    private static final int FRAMES = 6000;

    private final NetworkLink link = new NetworkLink();
    private final NetworkPort port = link.addPort();
    private final Host first = new Host(I40eMigration.V2);
    private final Host second = new Host(I40eMigration.V2);

    private Path[] places;
    private Vm mover;
    private Vm peer;

    @BeforeEach
    void connect() {
        places = new Path[] {
            first.serve(port, "02:00:00:00:00:01"), second.serve(port, "02:00:00:00:00:01"),
        };
        mover = new Vm(places[0], 1);
        peer = new Vm(first.serve(link.addPort(), "02:00:00:00:00:02"), 2);
    }

    @AfterEach
    void close() {
        mover.close();
        peer.close();
        first.close();
        second.close();
    }

    /** Sends numbered frames and takes those that come, until it has sent and received all. */
    private static final class Traffic {

        private final Vm from;
        private final Vm to;
        private int sent;
        private final AtomicInteger received = new AtomicInteger();

        Traffic(Vm from, Vm to) {
            this.from = from;
            this.to = to;
        }

        boolean isDone() {
            return sent == FRAMES && received.get() == FRAMES;
        }

        /** @param arrived how many of its frames the other side has; more than it has buffers for would be dropped */
        void step(int arrived) {
            if (sent < FRAMES && sent - arrived < Vm.RING / 2 && from.tx.trySend(from.frameTo(to, sent))) {
                sent++;
            }
            // Not all that keep coming: there are other things to do.
            for (int i = 0; i < Vm.RING && from.rx.hasFrame(); i++) {
                assertThat(Vm.number(from.rx.receive())).isEqualTo(received.getAndIncrement());
            }
        }
    }

    @RepeatedTest(3)
    void eachFrameArrivesOnceAndInOrder() throws Exception {
        Traffic away = new Traffic(mover, peer);
        Traffic back = new Traffic(peer, mover);
        AtomicBoolean stop = new AtomicBoolean();
        CompletableFuture<Void> other =
                CompletableFuture.runAsync(() -> AvfDriver.await("all frames at the peer", () -> {
                    back.step(away.received.get());
                    return back.isDone() || stop.get();
                }));
        try {
            assertThat(moveInTraffic(away, back, other)).isEqualTo(MOVES);
        } finally {
            // It uses memory that is about to go.
            stop.set(away.received.get() < FRAMES);
            other.get(20, TimeUnit.SECONDS);
        }
        assertThat(mover.rx.hasFrame()).isFalse();
        assertThat(peer.rx.hasFrame()).isFalse();
    }

    private int moveInTraffic(Traffic away, Traffic back, CompletableFuture<Void> other) {
        int moves = 0;
        while (!away.isDone() && !other.isCompletedExceptionally()) {
            away.step(back.received.get());
            if (away.received.get() > FRAMES * (moves + 1) / (MOVES + 1) && moves < MOVES) {
                moves++;
                mover.migrate(places[moves % 2]);
            }
        }
        return moves;
    }
}
