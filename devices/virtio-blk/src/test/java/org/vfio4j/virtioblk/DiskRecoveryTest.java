package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_NEXT;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_WRITE;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_IDX;
import static org.vfio4j.virtioblk.VirtioBlkSpec.HEADER_SECTOR;
import static org.vfio4j.virtioblk.VirtioBlkSpec.HEADER_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.SECTOR_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_OK;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_OUT;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.virtio.VirtioConfig;
import org.vfio4j.virtio.VirtioPci;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.VirtioDriver;

/**
 * Disks that stop dead at any call of their storage, and others that go on with what these have kept: every request completes once, and
 * the storage has what the last of them wrote.
 */
class DiskRecoveryTest {

    private static final long DISK_BYTES = 4 << 20;
    private static final int SECTORS = (int) (DISK_BYTES / SECTOR_SIZE);
    private static final int SLOTS = 20;
    private static final int QUEUE_SIZE = 64;
    private static final int DEATHS = 120;

    private final MemoryBackend storage = new MemoryBackend(DISK_BYTES);
    private final GuestMemory memory = new GuestMemory(4 << 20);
    private final List<MortalStorage> graves = new ArrayList<>();
    private final List<VirtioBlk> disks = new ArrayList<>();
    private final Mapping journal;

    private MortalStorage mortal = new MortalStorage(storage);
    private VirtioBlk disk;
    private final AtomicInteger interrupts = new AtomicInteger();

    DiskRecoveryTest() {
        disk = disk();
        journal = Mapping.anonymous(journal(disk).sizeBytes());
        journal(disk).recover(journal.address());
    }

    @AfterEach
    void close() {
        graves.forEach(MortalStorage::bury);
        for (VirtioBlk each : disks) {
            each.function().detachDma();
            each.close();
        }
        memory.close();
        journal.close();
        storage.close();
    }

    @ParameterizedTest
    @CsvSource({"false, false, 1", "true, false, 2", "true, false, 3", "false, true, 4", "true, true, 5"})
    void everyRequestCompletesOnce(boolean eventIndex, boolean remoteRing, long seed) {
        Random random = new Random(seed);
        Load load = new Load(eventIndex, remoteRing, random);
        for (int i = 0; i < DEATHS; i++) {
            mortal.dieAfter(random.nextInt(remoteRing ? 60 : 400));
            VirtioDriver.await("death", () -> {
                load.turn(true);
                return mortal.isDead();
            });
            int before = interrupts.get();
            recover();
            assertThat(load.isAlive()).isTrue();
            VirtioDriver.await("an interrupt, whether there is news or not", () -> interrupts.get() != before);
        }
        VirtioDriver.await("the end", () -> {
            load.turn(false);
            return load.busySlots.isEmpty();
        });
        assertThat(load.completed).isEqualTo(load.submitted).isGreaterThan(DEATHS);
        load.verify();
    }

    @Test
    void registersAreAsTheyWereAtTheLastWrite() {
        VirtioDriver driver = new VirtioDriver(disk.function());
        disk.function().attachDma(memory.space());
        long agreed = driver.negotiate(-1L);
        DriverRing ring = new DriverRing(memory, QUEUE_SIZE, true, false);
        driver.setUpQueue(0, ring, 1);
        recover();
        VirtioDriver after = new VirtioDriver(disk.function());
        assertThat(after.status())
                .isEqualTo(VirtioConfig.VIRTIO_CONFIG_S_ACKNOWLEDGE
                        | VirtioConfig.VIRTIO_CONFIG_S_DRIVER
                        | VirtioConfig.VIRTIO_CONFIG_S_FEATURES_OK);
        assertThat(after.read(VirtioPci.VIRTIO_PCI_COMMON_GF, 4)).isEqualTo(agreed >>> 32);
        assertThat(after.read(VirtioPci.VIRTIO_PCI_COMMON_Q_DESCLO, 8)).isEqualTo(ring.desc());
        assertThat(after.read(VirtioPci.VIRTIO_PCI_COMMON_Q_MSIX, 2)).isEqualTo(1);
        after.driverOk();
        recover();
        assertThat(new VirtioDriver(disk.function()).status() & VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK)
                .isNotZero();
        new VirtioDriver(disk.function()).reset();
        recover();
        assertThat(new VirtioDriver(disk.function()).status()).isZero();
        assertThat(new VirtioDriver(disk.function()).read(VirtioPci.VIRTIO_PCI_COMMON_Q_MSIX, 2))
                .isEqualTo(VirtioPci.VIRTIO_MSI_NO_VECTOR);
    }

    @Test
    void aQueueBeginsAnewAfterAReset() {
        Load load = new Load(true, false, new Random(1));
        mortal.dieAfter(5);
        VirtioDriver.await("death", () -> {
            load.turn(true);
            return mortal.isDead();
        });
        recover();
        VirtioDriver driver = new VirtioDriver(disk.function());
        driver.reset();
        recover();
        Load anew = new Load(false, false, new Random(2));
        for (int i = 0; i < 100; i++) {
            anew.turn(true);
        }
        recover();
        VirtioDriver.await("the end", () -> {
            anew.turn(false);
            return anew.busySlots.isEmpty();
        });
        assertThat(anew.completed).isEqualTo(anew.submitted);
    }

    @Test
    void aDriverThatWritesToTheUsedRingGetsADeviceThatNeedsAReset() {
        Load load = new Load(true, false, new Random(1));
        load.turn(true);
        RawMemory.putShort(memory.host(load.ring.used() + VRING_USED_IDX), (short) 12345);
        recover();
        VirtioDriver driver = new VirtioDriver(disk.function());
        VirtioDriver.await(
                "DEVICE_NEEDS_RESET", () -> (driver.status() & VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET) != 0);
    }

    @Test
    void aChainThatIsOfferedTwiceBreaksTheQueue() {
        Load load = new Load(true, false, new Random(1));
        load.prepare(0);
        // Both entries name descriptor 0, as memory that was never written does, and both are offered at once.
        load.ring.setAvailIndex(2);
        load.notifyDisk();
        VirtioDriver driver = new VirtioDriver(disk.function());
        VirtioDriver.await(
                "DEVICE_NEEDS_RESET", () -> (driver.status() & VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET) != 0);
    }

    @Test
    void refusesWhatAnotherKindOfDiskHasKept() {
        VirtioBlk other =
                VirtioBlk.builder(storage).queues(2).queueSize(QUEUE_SIZE).build();
        disks.add(other);
        disk.function().attachDma(memory.space());
        new VirtioDriver(disk.function()).negotiate(-1L);
        try (Mapping larger = Mapping.anonymous(journal(other).sizeBytes())) {
            RawMemory.copy(journal.address(), larger.address(), journal.size());
            FunctionJournal keeps = journal(other);
            long at = larger.address();
            state(other).suspend();
            // Its places are elsewhere: nothing is found, or what does not fit.
            try {
                keeps.recover(at);
            } catch (ErrnoException e) {
                assertThat(e).hasMessageContaining("load state");
            }
            assertThat(new VirtioDriver(other.function()).status()).isZero();
        }
    }

    @Test
    void isNotMovedBeforeWhatWasInFlightIsTakenAgain() {
        Load load = new Load(true, false, new Random(1));
        mortal.dieAfter(3);
        VirtioDriver.await("death", () -> {
            load.turn(true);
            return mortal.isDead();
        });
        next();
        FunctionState state = state(disk);
        assertThatThrownBy(state::save).hasMessageContaining("EBUSY");
        state.resume();
        VirtioDriver.await("the end", () -> {
            load.turn(false);
            return load.busySlots.isEmpty();
        });
        state.suspend();
        assertThat(state.save()).isNotEmpty();
        state.resume();
    }

    private void recover() {
        next();
        state(disk).resume();
    }

    /** Leaves the disk where it is, and has another one go on. */
    private void next() {
        FunctionState before = state(disk);
        if (mortal.isDead()) {
            graves.add(mortal);
        } else {
            // As if it had been killed while it was idle.
            before.suspend();
            journal(disk).freeze();
        }
        mortal = new MortalStorage(storage);
        disk = disk();
        disk.function().attachDma(memory.space());
        new VirtioDriver(disk.function()).setMaster(true);
        state(disk).suspend();
        journal(disk).recover(journal.address());
    }

    private VirtioBlk disk() {
        QueuePolling polling = disks.size() % 2 == 0 ? QueuePolling.ADAPTIVE : QueuePolling.NEVER;
        VirtioBlk made =
                VirtioBlk.builder(mortal).queueSize(QUEUE_SIZE).poll(polling).build();
        made.function().connectIrqs(new IrqSink() {
            @Override
            public void msi(int vector) {}

            @Override
            public void intx(boolean asserted) {
                if (asserted) {
                    interrupts.incrementAndGet();
                }
            }
        });
        disks.add(made);
        return made;
    }

    private static FunctionState state(VirtioBlk of) {
        return of.function().platform(FunctionState.class).orElseThrow();
    }

    private static FunctionJournal journal(VirtioBlk of) {
        return of.function().platform(FunctionJournal.class).orElseThrow();
    }

    /** The driver, with up to {@link #SLOTS} writes under way, each to a sector of its own. */
    private final class Load {

        private final Random random;
        private final DriverRing ring;
        private final long[] data = new long[SLOTS];
        private final long[] header = new long[SLOTS];
        private final long[] status = new long[SLOTS];
        private final int[] sector = new int[SLOTS];
        private final BitSet busySlots = new BitSet();
        private final BitSet busySectors = new BitSet();
        private final long[] expected = new long[SECTORS];
        private long submitted;
        private long completed;

        Load(boolean eventIndex, boolean remoteRing, Random random) {
            this.random = random;
            VirtioDriver driver = new VirtioDriver(disk.function());
            if (disks.size() == 1) {
                disk.function().attachDma(memory.space());
            }
            long features = driver.negotiate(eventIndex ? -1L : DiskFixture.NO_EVENT_INDEX);
            ring = new DriverRing(
                    memory, QUEUE_SIZE, VirtioConfig.has(features, VirtioConfig.VIRTIO_RING_F_EVENT_IDX), remoteRing);
            for (int i = 0; i < SLOTS; i++) {
                data[i] = memory.mapped(SECTOR_SIZE);
                header[i] = memory.mapped(HEADER_SIZE);
                status[i] = memory.mapped(16);
            }
            driver.setUpQueue(0, ring, VirtioPci.VIRTIO_MSI_NO_VECTOR);
            driver.driverOk();
        }

        boolean isAlive() {
            return (new VirtioDriver(disk.function()).status() & VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET) == 0;
        }

        void turn(boolean submits) {
            while (ring.hasUsed()) {
                complete((int) ring.takeRaw());
            }
            int before = ring.availIndex();
            int free = busySlots.nextClearBit(0);
            if (submits && free < SLOTS) {
                submit(free);
            } else {
                Thread.yield();
            }
            if (ring.availIndex() != before && ring.wantsNotification(before)) {
                notifyDisk();
            }
        }

        void notifyDisk() {
            new VirtioDriver(disk.function()).notifyQueue(0);
        }

        void submit(int slot) {
            prepare(slot);
            ring.offer(3 * slot);
        }

        void prepare(int slot) {
            int to;
            do {
                to = random.nextInt(SECTORS);
            } while (busySectors.get(to));
            sector[slot] = to;
            busySlots.set(slot);
            busySectors.set(to);
            long number = ++submitted;
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
        }

        void verify() {
            try (DiskFixture reader = new DiskFixture(storage, builder -> builder)) {
                reader.start(DiskFixture.ALL_FEATURES);
                for (int i = 0; i < SECTORS; i++) {
                    if (expected[i] != 0) {
                        assertThat(reader.read(i, reader.buffer, SECTOR_SIZE)).isEqualTo(VIRTIO_BLK_S_OK);
                        long host = reader.memory.host(reader.buffer);
                        assertThat(RawMemory.getLong(host)).isEqualTo(expected[i]);
                        assertThat(RawMemory.getLong(host + SECTOR_SIZE - 8)).isEqualTo(expected[i]);
                    }
                }
            }
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
