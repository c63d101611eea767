package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.devicemodel.FunctionMemory;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/**
 * A driver writes without a pause, on two queues, while its controller is stopped, let go again, and moved between two functions on the
 * same storage, at random: every command completes once, and the storage has what the last of them wrote.
 */
@Timeout(120)
class NvmeMoveTest {

    private static final int BLOCK = 512;
    private static final int BLOCKS = 4096;
    private static final int QUEUES = 2;
    private static final int SLOTS = 20;
    private static final int ENTRIES = 32;
    private static final int MOVES = 100;
    private static final int COMMANDS_LEAST = 20_000;

    /** How the driver rings. */
    private enum Doorbells {
        TRAPPED,
        SHADOWED,
        /** By stores that go on whoever has the controller. */
        MAPPED
    }

    private final MemoryBackend storage = new MemoryBackend(BLOCK * BLOCKS);
    private final GuestMemory memory = new GuestMemory(4 << 20);
    private final Nvme[] controllers = new Nvme[2];

    // Which of the controllers the driver has; registers are accessed by one thread at a time.
    private int current;

    @ParameterizedTest
    @CsvSource({"TRAPPED, 1", "TRAPPED, 2", "SHADOWED, 3", "SHADOWED, 4", "MAPPED, 5", "MAPPED, 6"})
    void everyCommandCompletesOnce(Doorbells doorbells, long seed) throws InterruptedException {
        Random random = new Random(seed);
        boolean mapped = doorbells == Doorbells.MAPPED;
        controllers[0] = controller(QueuePolling.ADAPTIVE, 1, mapped);
        controllers[1] = controller(mapped ? QueuePolling.ALWAYS : QueuePolling.NEVER, 2, mapped);
        Load load = new Load(doorbells, random.nextLong());
        Thread driver = Thread.ofPlatform().name("driver").start(load);
        try {
            for (int i = 0; i < MOVES || load.submitted < COMMANDS_LEAST; i++) {
                FunctionState state = state(current);
                state.suspend();
                pause(random);
                switch (random.nextInt(4)) {
                    case 0 -> {
                        state.save();
                        state.resume();
                    }
                    case 1 -> {
                        giveUp(random);
                        state.resume();
                    }
                    default -> move(random);
                }
                pause(random);
            }
        } finally {
            load.stop = true;
            driver.join();
        }
        assertThat(load.failure).isNull();
        assertThat(load.completed).isEqualTo(load.submitted);
        long written =
                controllers[0].counters().writes() + controllers[1].counters().writes();
        assertThat(written).isEqualTo(load.submitted);
        assertThat(controllers[0].counters().writes()).isPositive();
        assertThat(controllers[1].counters().writes()).isPositive();
        load.verify();
        load.close();
        for (Nvme each : controllers) {
            each.function().detachDma();
            each.close();
        }
        memory.close();
        storage.close();
    }

    private void move(Random random) {
        int other = 1 - current;
        state(other).suspend();
        // No doorbell between what is saved and where the next one goes: a machine's processors stand still then.
        synchronized (this) {
            byte[] saved = state(current).save();
            pause(random);
            controllers[current].function().detachDma();
            controllers[other].function().attachDma(memory.space());
            new NvmeDriver(controllers[other].function(), memory).setMaster(true);
            state(other).load(saved);
            adopt(other);
            controllers[current].function().platform(FunctionMemory.class).ifPresent(FunctionMemory::leave);
            controllers[current].function().reset();
            current = other;
        }
        pause(random);
        state(other).resume();
    }

    /** The other one has everything, and ends before it goes on. */
    private void giveUp(Random random) {
        int other = 1 - current;
        state(other).suspend();
        state(other).load(state(current).save());
        adopt(other);
        pause(random);
        controllers[other].function().reset();
        controllers[other].function().reset();
    }

    private void adopt(int other) {
        controllers[current].function().platform(FunctionMemory.class).ifPresent(from -> {
            List<Fd> pages = from.share();
            controllers[other]
                    .function()
                    .platform(FunctionMemory.class)
                    .orElseThrow()
                    .adopt(pages);
            pages.forEach(Fd::close);
        });
    }

    private synchronized void ring(int doorbell, int value) {
        new NvmeDriver(controllers[current].function(), memory).ring(doorbell, value);
    }

    private FunctionState state(int controller) {
        return controllers[controller].function().platform(FunctionState.class).orElseThrow();
    }

    private Nvme controller(QueuePolling polling, int threads, boolean mapped) {
        Nvme.Builder builder = Nvme.builder(NvmeIdentity.of("MOVE-1"))
                .namespace(new NamespaceOptions(storage, BLOCK, Optional.empty()))
                .queuePairs(QUEUES)
                .threads(threads)
                .poll(polling);
        return (mapped ? builder.mappableDoorbells() : builder).build();
    }

    private static void pause(Random random) {
        LockSupport.parkNanos(random.nextInt(300_000));
    }

    /** The driver, with up to {@link #SLOTS} writes under way in each queue, each to a block of its own. */
    private final class Load implements Runnable {

        private final Random random;
        private final Optional<Mapping> page;
        private final List<NvmeQueue> queues = new ArrayList<>();
        private final long[][] data = new long[QUEUES][SLOTS];
        private final int[][] block = new int[QUEUES][SLOTS];
        private final List<int[]> slotOf = new ArrayList<>();
        private final List<BitSet> busySlots = new ArrayList<>();
        private final BitSet busyBlocks = new BitSet();
        private final long[] expected = new long[BLOCKS];
        private volatile long submitted;
        private long completed;
        private volatile boolean stop;
        private @Nullable Throwable failure;

        Load(Doorbells doorbells, long seed) {
            random = new Random(seed);
            page = controllers[0].function().barMemory(0).map(Load::map);
            boolean shadowed = doorbells == Doorbells.SHADOWED;
            controllers[0].function().attachDma(memory.space());
            NvmeDriver driver = new NvmeDriver(controllers[0].function(), memory);
            NvmeQueue admin = driver.enable(32);
            long shadow = page();
            long events = page();
            if (shadowed) {
                assertThat(admin.run(new NvmeCommand(DOORBELL_BUFFER).prp(shadow, events))
                                .status())
                        .isZero();
            }
            for (int q = 0; q < QUEUES; q++) {
                NvmeQueue queue = driver.create(admin, q + 1, ENTRIES, false);
                queue.ringBy(
                        switch (doorbells) {
                            case TRAPPED -> NvmeMoveTest.this::ring;
                            case SHADOWED -> (index, value) -> ringShadow(shadow, events, index, value);
                            case MAPPED -> this::store;
                        });
                queues.add(queue);
                busySlots.add(new BitSet());
                slotOf.add(new int[1 << 16]);
                for (int i = 0; i < SLOTS; i++) {
                    data[q][i] = memory.mapped(BLOCK);
                }
            }
        }

        private static Mapping map(BarMemory memory) {
            return Mapping.shared(memory.fd(), 0x1000, 0x1000, Mapping.PROT_READ | Mapping.PROT_WRITE);
        }

        private void store(int index, int value) {
            RawMemory.putIntRelease(page.orElseThrow().address() + 4L * index, value);
        }

        void close() {
            page.ifPresent(Mapping::close);
        }

        /** As Linux does: rings only when the index that the controller has left is passed. */
        private void ringShadow(long shadow, long events, int index, int value) {
            long at = memory.host(shadow) + 4L * index;
            int before = RawMemory.getInt(at);
            RawMemory.putIntRelease(at, value);
            RawMemory.fullFence();
            int event = RawMemory.getIntAcquire(memory.host(events) + 4L * index);
            if (((value - event - 1) & 0xffff) < ((value - before) & 0xffff)) {
                ring(index, value);
            }
        }

        @Override
        public void run() {
            try {
                while (!stop || busySlots.stream().anyMatch(busy -> !busy.isEmpty())) {
                    boolean idle = true;
                    for (int q = 0; q < QUEUES; q++) {
                        Optional<NvmeCompletion> done = queues.get(q).peek();
                        if (done.isPresent()) {
                            queues.get(q).consumed();
                            complete(q, done.get());
                            idle = false;
                        }
                        int free = busySlots.get(q).nextClearBit(0);
                        if (!stop && free < SLOTS) {
                            submit(q, free);
                            idle = false;
                        }
                    }
                    if (idle) {
                        Thread.yield();
                    }
                }
            } catch (RuntimeException | Error e) {
                failure = e;
            }
        }

        void verify() {
            try (NvmeFixture reader = new NvmeFixture(storage, builder -> builder).start()) {
                long page = reader.pages(1);
                int known = 0;
                for (int i = 0; i < BLOCKS; i++) {
                    if (expected[i] != 0) {
                        known++;
                        assertThat(reader.io(READ, i, 1, page, 0).status()).isZero();
                        assertThat(RawMemory.getLong(reader.memory.host(page))).isEqualTo(expected[i]);
                        assertThat(RawMemory.getLong(reader.memory.host(page) + BLOCK - 8))
                                .isEqualTo(expected[i]);
                    }
                }
                assertThat(known).isGreaterThan(BLOCKS / 2);
            }
        }

        private void submit(int q, int slot) {
            int to;
            do {
                to = random.nextInt(BLOCKS);
            } while (busyBlocks.get(to));
            block[q][slot] = to;
            busySlots.get(q).set(slot);
            busyBlocks.set(to);
            long number = submitted + 1;
            expected[to] = number;
            for (int i = 0; i < BLOCK; i += 8) {
                RawMemory.putLong(memory.host(data[q][slot]) + i, number);
            }
            int cid = queues.get(q).put(NvmeCommand.io(WRITE, 1, to, 1).prp(data[q][slot]));
            slotOf.get(q)[cid] = slot + 1;
            queues.get(q).ring();
            submitted = number;
        }

        private void complete(int q, NvmeCompletion done) {
            int slot = slotOf.get(q)[done.cid()] - 1;
            assertThat(slot).as("command %d is under way", done.cid()).isNotNegative();
            assertThat(done.status()).isZero();
            assertThat(done.sqid()).isEqualTo(q + 1);
            slotOf.get(q)[done.cid()] = 0;
            busySlots.get(q).clear(slot);
            busyBlocks.clear(block[q][slot]);
            completed++;
        }

        private long page() {
            return (memory.mapped(8192) + 4095) & -4096L;
        }
    }
}
