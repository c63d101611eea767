package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.virtio.VirtioPci.*;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.StateRecord;
import org.vfio4j.devicemodel.StateRecords;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/** A disk's state goes from one to another, whole or not at all. */
class DiskStateTest {

    private static final String KIND = "virtio-2";
    private static final int VERSION = 1;

    @Test
    void everyRegisterReadsTheSameInTheOther() {
        try (DiskFixture from = started();
                DiskFixture to = new DiskFixture()) {
            from.driver.write(DEVICE_WCE, 1, 0);
            from.driver.write(VIRTIO_PCI_COMMON_MSIX, 2, 1);
            from.driver.write(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
            from.driver.write(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
            int window = windowAt(from);
            from.driver.function().configWrite(window + VIRTIO_PCI_CAP_BAR, 1, 4);
            from.driver.function().configWrite(window + VIRTIO_PCI_CAP_OFFSET, 4, 0x2000);
            from.driver.function().configWrite(window + VIRTIO_PCI_CAP_LENGTH, 4, 4);
            List<Long> before = registers(from);
            move(from, to);
            assertThat(registers(to)).isEqualTo(before).isNotEqualTo(registers(new DiskFixture()));
            assertThat(to.driver.function().configRead(window + VIRTIO_PCI_CAP_SIZE, 4))
                    .isEqualTo((int) (DiskFixture.DISK_BYTES / SECTOR_SIZE));
            assertThat(state(to).save())
                    .isEqualTo(state(from).save())
                    .hasSize(state(to).sizeBytes());
        }
    }

    @Test
    void writesThroughOrBackAsTheDriverHasChosen() {
        try (DiskFixture from = started();
                DiskFixture to = new DiskFixture()) {
            from.driver.write(DEVICE_WCE, 1, 0);
            move(from, to);
            assertThat(to.driver.read(DEVICE_WCE, 1)).isZero();
            state(to).resume();
            to.driver.write(DEVICE_WCE, 1, 1);
            assertThat(to.driver.read(DEVICE_WCE, 1)).isEqualTo(1);
        }
    }

    @Test
    void aSuspendedDiskTakesRegisterWritesAndLetsNotificationsWait() {
        try (DiskFixture disk = started()) {
            state(disk).suspend();
            state(disk).suspend();
            int before = disk.ring.availIndex();
            disk.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(disk.buffer, SECTOR_SIZE));
            disk.driver.notifyQueue(0);
            disk.driver.write(VIRTIO_PCI_COMMON_MSIX, 2, 1);
            assertThat(disk.driver.read(VIRTIO_PCI_COMMON_MSIX, 2)).isEqualTo(1);
            byte[] saved = state(disk).save();
            assertThat(disk.ring.hasUsed()).isFalse();
            assertThat(disk.disk.isBusy() && disk.ring.hasUsed()).isFalse();
            state(disk).resume();
            disk.ring.await();
            assertThat(disk.status()).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(saved).isNotEqualTo(save(disk));
            assertThat(disk.ring.availIndex()).isEqualTo(before + 1);
        }
    }

    @Test
    void aDriversResetOfASuspendedDiskLeavesItSuspended() {
        try (DiskFixture disk = started()) {
            state(disk).suspend();
            disk.driver.reset();
            disk.start(DiskFixture.ALL_FEATURES);
            disk.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(disk.buffer, SECTOR_SIZE));
            disk.driver.notifyQueue(0);
            state(disk).save();
            assertThat(disk.ring.hasUsed()).isFalse();
            state(disk).resume();
            disk.ring.await();
        }
    }

    @Test
    void aFunctionLevelResetEndsTheSuspension() {
        try (DiskFixture disk = started()) {
            state(disk).suspend();
            disk.driver.function().reset();
            disk.start(DiskFixture.ALL_FEATURES);
            assertThat(disk.read(0, disk.buffer, SECTOR_SIZE)).isEqualTo(VIRTIO_BLK_S_OK);
        }
    }

    @Test
    void theLineIsUpInTheOtherOnceItRuns() {
        try (DiskFixture from = started();
                DiskFixture to = new DiskFixture()) {
            from.write(0, from.buffer, SECTOR_SIZE);
            VirtioDriver.await("INTx", () -> from.intx);
            move(from, to);
            assertThat(to.intx).isFalse();
            state(to).resume();
            assertThat(to.intx).isTrue();
            assertThat(to.driver.read(VirtioDriver.ISR, 1)).isEqualTo(VIRTIO_PCI_ISR_QUEUE);
            assertThat(to.intx).isFalse();
        }
    }

    @Test
    void aDiskThatAsksForAResetAsksInTheOtherToo() {
        try (DiskFixture from = started();
                DiskFixture to = new DiskFixture()) {
            from.ring.setAvailIndex(1000);
            from.driver.notifyQueue(0);
            from.awaitNeedsReset();
            int status = from.driver.status();
            move(from, to);
            assertThat(to.driver.status()).isEqualTo(status);
            state(to).resume();
            assertThat(to.driver.read(VirtioDriver.ISR, 1) & VIRTIO_PCI_ISR_CONFIG)
                    .isNotZero();
            to.start(DiskFixture.ALL_FEATURES);
            assertThat(to.read(0, to.buffer, SECTOR_SIZE)).isEqualTo(VIRTIO_BLK_S_OK);
        }
    }

    @Test
    void aRequestThatTheDriverCouldNotBeToldOfCountsAsNotTaken() {
        SlippingStorage storage = new SlippingStorage();
        try (DiskFixture disk = new DiskFixture(storage, builder -> builder)) {
            disk.start(DiskFixture.ALL_FEATURES, true);
            byte[] before = save(disk);
            state(disk).resume();
            storage.afterEach = () -> disk.memory.failRemote(-EIO);
            disk.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(disk.buffer, SECTOR_SIZE));
            disk.driver.notifyQueue(0);
            VirtioDriver.await("a request", () -> storage.requests.get() > 0);
            assertThat(save(disk)).isEqualTo(before);
            assertThat(disk.ring.hasUsed()).isFalse();
            storage.afterEach = () -> {};
            disk.memory.failRemote(0);
            state(disk).load(before);
            state(disk).resume();
            disk.ring.await();
            assertThat(disk.status()).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(disk.ring.usedIndex()).isEqualTo(1);
        }
    }

    @Test
    void refusesDamageAndChangesNothing() {
        try (DiskFixture from = started();
                DiskFixture to = started()) {
            byte[] state = save(from);
            byte[] before = save(to);
            for (int length = 0; length < state.length; length++) {
                refused(to, Arrays.copyOf(state, length));
            }
            refused(to, Arrays.copyOf(state, state.length + 1));
            for (int at = 0; at < state.length; at++) {
                byte[] damaged = state.clone();
                damaged[at] ^= (byte) (1 << (at % Byte.SIZE));
                refused(to, damaged);
            }
            assertThat(state(to).save()).isEqualTo(before);
            state(to).resume();
            state(from).resume();
            assertThat(to.read(0, to.buffer, SECTOR_SIZE)).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(from.read(0, from.buffer, SECTOR_SIZE)).isEqualTo(VIRTIO_BLK_S_OK);
        }
    }

    @Test
    void refusesAnotherKindOfDisk() {
        try (DiskFixture from = started()) {
            byte[] state = save(from);
            refusedBy(state, DiskFixture.DISK_BYTES / 2, builder -> builder, "sectors");
            refusedBy(state, DiskFixture.DISK_BYTES, builder -> builder.queues(2), "queues");
            refusedBy(state, DiskFixture.DISK_BYTES, builder -> builder.queueSize(32), "queues of up to");
            refusedBy(state, DiskFixture.DISK_BYTES, VirtioBlk.Builder::readOnly, "features");
            refused(from, rebuilt(state, "virtio-1", VERSION, List.of()));
            refused(from, rebuilt(state, KIND, VERSION + 1, List.of()));
        }
    }

    @Test
    void skipsARecordThatIsOptionalAndRefusesOneThatIsNot() {
        try (DiskFixture from = started();
                DiskFixture to = new DiskFixture()) {
            byte[] state = save(from);
            byte[] more = new StateRecords(KIND, VERSION)
                    .addOptional(0x4711, new byte[] {1, 2, 3})
                    .toBytes();
            byte[] less =
                    new StateRecords(KIND, VERSION).add(0x4711, new byte[0]).toBytes();
            state(to).suspend();
            refused(to, rebuilt(state, KIND, VERSION, StateRecords.read(KIND, VERSION, less)));
            state(to).load(rebuilt(state, KIND, VERSION, StateRecords.read(KIND, VERSION, more)));
            assertThat(state(to).save()).isEqualTo(state);
        }
    }

    @Test
    void refusesARecordThatIsThereTwiceOrMissing() {
        try (DiskFixture disk = started()) {
            List<StateRecord> records = StateRecords.read(KIND, VERSION, save(disk));
            for (int left = 0; left < records.size(); left++) {
                List<StateRecord> fewer = new ArrayList<>(records);
                fewer.remove(left);
                refused(disk, build(KIND, VERSION, fewer));
                List<StateRecord> more = new ArrayList<>(records);
                more.add(records.get(left));
                refused(disk, build(KIND, VERSION, more));
            }
        }
    }

    private static final int DEVICE_WCE = VirtioDriver.DEVICE + CONFIG_WCE;

    private static DiskFixture started() {
        return new DiskFixture().start(DiskFixture.ALL_FEATURES);
    }

    private static FunctionState state(DiskFixture disk) {
        return disk.disk.function().platform(FunctionState.class).orElseThrow();
    }

    private static byte[] save(DiskFixture disk) {
        state(disk).suspend();
        return state(disk).save();
    }

    private static void move(DiskFixture from, DiskFixture to) {
        state(to).suspend();
        state(to).load(save(from));
    }

    private static void refused(DiskFixture disk, byte[] state) {
        assertThatThrownBy(() -> state(disk).load(state))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
    }

    private static void refusedBy(byte[] state, long bytes, UnaryOperator<VirtioBlk.Builder> options, String why) {
        try (DiskFixture other = new DiskFixture(new MemoryBackend(bytes), options)) {
            state(other).suspend();
            assertThatThrownBy(() -> state(other).load(state)).hasMessageContaining(why);
        }
    }

    private static byte[] rebuilt(byte[] state, String kind, int version, List<StateRecord> more) {
        List<StateRecord> all = new ArrayList<>(more);
        all.addAll(StateRecords.read(KIND, VERSION, state));
        return build(kind, version, all);
    }

    private static byte[] build(String kind, int version, List<StateRecord> records) {
        StateRecords out = new StateRecords(kind, version);
        for (StateRecord record : records) {
            byte[] data = new byte[record.data().remaining()];
            record.data().duplicate().get(data);
            if (record.optional()) {
                out.addOptional(record.tag(), data);
            } else {
                out.add(record.tag(), data);
            }
        }
        return out.toBytes();
    }

    private static List<Long> registers(DiskFixture disk) {
        List<Long> all = new ArrayList<>();
        for (int at = 0; at < VIRTIO_PCI_COMMON_SIZE; at += 4) {
            all.add(disk.driver.read(at, 4));
        }
        for (int at = 0; at < CONFIG_SIZE; at += 4) {
            all.add(disk.driver.read(VirtioDriver.DEVICE + at, 4));
        }
        return all;
    }

    /** Where the PCI configuration access capability is. */
    private static int windowAt(DiskFixture disk) {
        int at = disk.driver.function().configRead(0x34, 1);
        while (disk.driver.function().configRead(at, 1) != 9
                || disk.driver.function().configRead(at + VIRTIO_PCI_CAP_CFG_TYPE, 1) != VIRTIO_PCI_CAP_PCI_CFG) {
            at = disk.driver.function().configRead(at + 1, 1);
        }
        return at;
    }
}
