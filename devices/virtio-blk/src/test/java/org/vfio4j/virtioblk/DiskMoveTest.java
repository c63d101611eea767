package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_NEXT;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_WRITE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.HEADER_SECTOR;
import static org.vfio4j.virtioblk.VirtioBlkSpec.HEADER_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.SECTOR_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_OK;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_OUT;

import java.util.BitSet;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.virtio.VirtioConfig;
import org.vfio4j.virtio.VirtioPci;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.VirtioDriver;

/**
 * A driver writes without a pause while its disk is stopped, let go again, and moved between two functions on the same storage,
 * at random: every request completes once, and the storage has what the last of them wrote.
 */
class DiskMoveTest {

    private static final long DISK_BYTES = 4 << 20;
    private static final int SLOTS = 20;
    private static final int MOVES = 150;
    private static final int REQUESTS_LEAST = 20_000;
    private static final int SECTORS = (int) (DISK_BYTES / SECTOR_SIZE);

    private final MemoryBackend storage = new MemoryBackend(DISK_BYTES);
    private final GuestMemory memory = new GuestMemory(4 << 20);
    private final VirtioBlk[] disks = {disk("a"), disk("b")};

    // Which of the disks the driver has; registers are accessed by one thread at a time.
    private int current;

    @ParameterizedTest
    @CsvSource({"false, 1", "false, 2", "true, 3", "true, 4"})
    void everyRequestCompletesOnce(boolean eventIndex, long seed) throws InterruptedException {
        Random random = new Random(seed);
        Load load = new Load(eventIndex, random.nextLong());
        Thread driver = Thread.ofPlatform().name("driver").start(load);
        try {
            for (int i = 0; i < MOVES || load.submitted < REQUESTS_LEAST; i++) {
                FunctionState state = state(current);
                state.suspend();
                pause(random);
                if (random.nextInt(3) == 0) {
                    state.save();
                    state.resume();
                } else {
                    move(random);
                }
                pause(random);
            }
        } finally {
            load.stop = true;
            driver.join();
        }
        assertThat(load.failure).isNull();
        assertThat(load.completed).isEqualTo(load.submitted);
        long written = disks[0].counters().writes() + disks[1].counters().writes();
        assertThat(written).isEqualTo(load.submitted);
        assertThat(disks[0].counters().writes()).isPositive();
        assertThat(disks[1].counters().writes()).isPositive();
        assertThat(disks[0].counters().errors() + disks[1].counters().errors()).isZero();
        load.verify();
        for (VirtioBlk disk : disks) {
            disk.function().detachDma();
            disk.close();
        }
        memory.close();
        storage.close();
    }

    private void move(Random random) {
        int other = 1 - current;
        state(other).suspend();
        byte[] saved = state(current).save();
        pause(random);
        synchronized (this) {
            disks[current].function().detachDma();
            disks[other].function().attachDma(memory.space());
            new VirtioDriver(disks[other].function()).setMaster(true);
            state(other).load(saved);
            disks[current].function().reset();
            current = other;
        }
        pause(random);
        state(other).resume();
    }

    private synchronized void notifyDisk() {
        new VirtioDriver(disks[current].function()).notifyQueue(0);
    }

    private FunctionState state(int disk) {
        return disks[disk].function().platform(FunctionState.class).orElseThrow();
    }

    private VirtioBlk disk(String name) {
        QueuePolling polling = name.equals("a") ? QueuePolling.ADAPTIVE : QueuePolling.NEVER;
        return VirtioBlk.builder(storage).name(name).queueSize(64).poll(polling).build();
    }

    private static void pause(Random random) {
        LockSupport.parkNanos(random.nextInt(300_000));
    }

    /** The driver, with up to {@link #SLOTS} writes under way, each to a sector of its own. */
    private final class Load implements Runnable {

        private final Random random;
        private final DriverRing ring;
        private final long[] data = new long[SLOTS];
        private final long[] header = new long[SLOTS];
        private final long[] status = new long[SLOTS];
        private final int[] sector = new int[SLOTS];
        private final BitSet busySlots = new BitSet();
        private final BitSet busySectors = new BitSet();
        private final long[] expected = new long[SECTORS];
        private volatile long submitted;
        private long completed;
        private volatile boolean stop;
        private Throwable failure;

        Load(boolean eventIndex, long seed) {
            random = new Random(seed);
            VirtioDriver driver = new VirtioDriver(disks[0].function());
            disks[0].function().attachDma(memory.space());
            long features = driver.negotiate(eventIndex ? -1L : DiskFixture.NO_EVENT_INDEX);
            ring = new DriverRing(memory, 64, VirtioConfig.has(features, VirtioConfig.VIRTIO_RING_F_EVENT_IDX), false);
            for (int i = 0; i < SLOTS; i++) {
                data[i] = memory.mapped(SECTOR_SIZE);
                header[i] = memory.mapped(HEADER_SIZE);
                status[i] = memory.mapped(16);
            }
            driver.setUpQueue(0, ring, VirtioPci.VIRTIO_MSI_NO_VECTOR);
            driver.driverOk();
        }

        @Override
        public void run() {
            try {
                while (!stop || !busySlots.isEmpty()) {
                    while (ring.hasUsed()) {
                        complete((int) ring.takeRaw());
                    }
                    int before = ring.availIndex();
                    int free = busySlots.nextClearBit(0);
                    if (!stop && free < SLOTS) {
                        submit(free);
                    } else {
                        Thread.yield();
                    }
                    if (ring.availIndex() != before && ring.wantsNotification(before)) {
                        notifyDisk();
                    }
                }
            } catch (RuntimeException | Error e) {
                failure = e;
            }
        }

        void verify() {
            try (DiskFixture reader = new DiskFixture(storage, builder -> builder)) {
                reader.start(DiskFixture.ALL_FEATURES);
                int known = 0;
                for (int i = 0; i < SECTORS; i++) {
                    if (expected[i] != 0) {
                        known++;
                        assertThat(reader.read(i, reader.buffer, SECTOR_SIZE)).isEqualTo(VIRTIO_BLK_S_OK);
                        long host = reader.memory.host(reader.buffer);
                        assertThat(RawMemory.getLong(host)).isEqualTo(expected[i]);
                        assertThat(RawMemory.getLong(host + SECTOR_SIZE - 8)).isEqualTo(expected[i]);
                    }
                }
                assertThat(known).isGreaterThan(SECTORS / 2);
            }
        }

        private void submit(int slot) {
            int to;
            do {
                to = random.nextInt(SECTORS);
            } while (busySectors.get(to));
            sector[slot] = to;
            busySlots.set(slot);
            busySectors.set(to);
            long number = submitted + 1;
            expected[to] = number;
            long host = memory.host(data[slot]);
            for (int i = 0; i < SECTOR_SIZE; i += 8) {
                RawMemory.putLong(host + i, number);
            }
            RawMemory.putInt(memory.host(header[slot]), VIRTIO_BLK_T_OUT);
            RawMemory.putLong(memory.host(header[slot]) + HEADER_SECTOR, to);
            memory.fill(status[slot], 1, 0xee);
            int first = 3 * slot;
            ring.describe(ring.desc(), first, header[slot], HEADER_SIZE, VRING_DESC_F_NEXT, first + 1);
            ring.describe(ring.desc(), first + 1, data[slot], SECTOR_SIZE, VRING_DESC_F_NEXT, first + 2);
            ring.describe(ring.desc(), first + 2, status[slot], 1, VRING_DESC_F_WRITE, 0);
            ring.offer(first);
            submitted = number;
        }

        private void complete(int head) {
            int slot = head / 3;
            assertThat(busySlots.get(slot)).as("slot %d is under way", slot).isTrue();
            assertThat(memory.get(status[slot], 1)[0]).isEqualTo(VIRTIO_BLK_S_OK);
            busySlots.clear(slot);
            busySectors.clear(sector[slot]);
            completed++;
        }
    }
}
