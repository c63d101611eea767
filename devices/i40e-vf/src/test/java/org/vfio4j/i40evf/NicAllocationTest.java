package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.vfio4j.avfdriver.AvfDriver;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.testkit.ThreadUse;

/** Once warm, frames allocate nothing on the queue threads of either side. */
class NicAllocationTest {

    private static final int FRAMES = 30_000;
    private static final int BURST = 50;

    /** Rounds until the compiler must have seen everything. */
    private static final int WARM_UP = 10;

    /** What the runtime itself may take now and then, as for a compiled method's metadata: far less than a byte a frame. */
    private static final long NOISE_BYTES = 4096;

    @Test
    void framesAllocateNothing() {
        NetworkLink link = new NetworkLink();
        try (Nic sender = counted(link, 1);
                Nic receiver = counted(link, 2)) {
            move(sender, receiver);
            Thread from = ThreadUse.threadNamed("counted-1");
            Thread to = ThreadUse.threadNamed("counted-2");
            long allocated = Long.MAX_VALUE;
            for (int round = 0; round < WARM_UP && allocated >= NOISE_BYTES; round++) {
                long before = ThreadUse.allocatedBytes(from) + ThreadUse.allocatedBytes(to);
                move(sender, receiver);
                allocated = ThreadUse.allocatedBytes(from) + ThreadUse.allocatedBytes(to) - before;
            }
            assertThat(allocated).isLessThan(NOISE_BYTES);
        }
    }

    private static Nic counted(NetworkLink link, int number) {
        // A sleep may allocate, where the compiler does not see through the call that it is.
        return new Nic(
                        link.addPort(),
                        number,
                        builder -> builder.name("counted-" + number).poll(QueuePolling.ALWAYS))
                .start();
    }

    private static void move(Nic sender, Nic receiver) {
        byte[] frame = sender.frameTo(receiver, 600, 1);
        for (int sent = 0; sent < FRAMES; sent += BURST) {
            for (int i = 0; i < BURST; i++) {
                sender.tx.send(frame);
            }
            for (int i = 0; i < BURST; i++) {
                AvfDriver.await("the frame", receiver.rx::hasFrame);
                receiver.rx.drop();
                receiver.rx.tell();
            }
        }
    }
}
