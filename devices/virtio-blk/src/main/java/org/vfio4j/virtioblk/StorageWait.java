package org.vfio4j.virtioblk;

import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;

/** Waits for storage on the queue thread: for a moment by polling, then asleep on the thread's eventfd. */
final class StorageWait {

    private static final int SPINS = 200;
    private static final long SLEEP_NS = 1_000_000;

    private final BlockQueue blocks;
    private final Fd eventFd;

    StorageWait(BlockQueue blocks, Fd eventFd) {
        this.blocks = blocks;
        this.eventFd = eventFd;
    }

    BlockQueue blocks() {
        return blocks;
    }

    /** Delivers completions to {@code handler} until nothing is in flight. */
    void awaitAll(BlockCompletion handler) {
        blocks.submit();
        int spins = 0;
        while (blocks.inFlight() > 0) {
            if (blocks.poll(handler) > 0) {
                spins = 0;
            } else if (spins < SPINS) {
                spins++;
                Thread.onSpinWait();
            } else {
                blocks.arm();
                if (blocks.poll(handler) == 0) {
                    // Bounded, since a waker's signal can come first and may not be consumed here.
                    Poll.poll(eventFd.value(), Poll.POLLIN, SLEEP_NS);
                }
                blocks.disarm();
            }
        }
    }
}
