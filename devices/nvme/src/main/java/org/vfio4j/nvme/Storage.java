package org.vfio4j.nvme;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MappingSet;
import org.vfio4j.sys.Poll;

/** The queues to the storage of all namespaces, one for each backend, opened when it is first wanted. Belongs to its thread. */
final class Storage implements AutoCloseable {

    private static final int SPINS = 200;
    private static final long SLEEP_NS = 1_000_000;

    private final int depth;
    private final Fd eventFd;
    private final Supplier<MappingSet> memory;
    private final List<BlockQueue> released = new ArrayList<>();
    private BlockBackend[] backends = {};
    private BlockQueue[] queues = {};

    /**
     * @param depth the most requests at a time, whose tags are less
     * @param eventFd what completions signal while {@link #arm} is in force
     * @param memory what requests may use, as {@link BlockQueue#use} has it
     */
    Storage(int depth, Fd eventFd, Supplier<MappingSet> memory) {
        this.depth = depth;
        this.eventFd = eventFd;
        this.memory = memory;
    }

    BlockQueue queue(BlockBackend backend) {
        for (int i = 0; i < backends.length; i++) {
            if (backends[i].equals(backend)) {
                return queues[i];
            }
        }
        return open(backend);
    }

    /** Uses nothing any more that stands on a backend; nothing is in flight there. Returns whether there is a queue for {@link #closeReleased}. */
    boolean release(BlockBackend backend) {
        for (int i = 0; i < backends.length; i++) {
            if (backends[i].equals(backend)) {
                released.add(queues[i]);
                int last = backends.length - 1;
                backends[i] = backends[last];
                queues[i] = queues[last];
                backends = Arrays.copyOf(backends, last);
                queues = Arrays.copyOf(queues, last);
                return true;
            }
        }
        return false;
    }

    /** Closes what was released. By the thread that opened it: the kernel lets no other unregister what an io_uring has. */
    void closeReleased() {
        released.forEach(BlockQueue::close);
        released.clear();
    }

    int inFlight() {
        int all = 0;
        for (BlockQueue queue : queues) {
            all += queue.inFlight();
        }
        return all;
    }

    /** Has requests on their way, and delivers the completions that are there. */
    void poll(BlockCompletion handler) {
        for (BlockQueue queue : queues) {
            if (queue.inFlight() > 0) {
                queue.submit();
                queue.poll(handler);
            }
        }
    }

    void arm() {
        for (BlockQueue queue : queues) {
            if (queue.inFlight() > 0) {
                queue.arm();
            }
        }
    }

    void disarm() {
        for (BlockQueue queue : queues) {
            queue.disarm();
        }
    }

    /** Delivers completions until nothing is in flight: polls for a moment, then sleeps. */
    void awaitAll(BlockCompletion handler) {
        int before = inFlight();
        int spins = 0;
        while (before > 0) {
            poll(handler);
            int now = inFlight();
            if (now == 0) {
                break;
            }
            if (now != before) {
                spins = 0;
            } else if (spins < SPINS) {
                spins++;
                Thread.onSpinWait();
            } else {
                arm();
                poll(handler);
                if (inFlight() == now) {
                    // Bounded, since a waker's signal can come first and may not be consumed here.
                    Poll.poll(eventFd.value(), Poll.POLLIN, SLEEP_NS);
                }
                disarm();
            }
            before = inFlight();
        }
    }

    @Override
    public void close() {
        closeReleased();
        for (BlockQueue queue : queues) {
            queue.close();
        }
        backends = new BlockBackend[0];
        queues = new BlockQueue[0];
    }

    private BlockQueue open(BlockBackend backend) {
        BlockQueue queue = backend.openQueue(depth);
        queue.wakeBy(eventFd);
        queue.use(memory);
        int count = backends.length;
        backends = Arrays.copyOf(backends, count + 1);
        queues = Arrays.copyOf(queues, count + 1);
        backends[count] = backend;
        queues[count] = queue;
        return queue;
    }
}
