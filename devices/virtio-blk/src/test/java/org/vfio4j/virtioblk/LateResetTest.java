package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_ACKNOWLEDGE;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK;
import static org.vfio4j.virtio.VirtioPci.*;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.testing.Fault;
import org.vfio4j.block.testing.FaultyBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/**
 * Resets of a disk whose storage stands still: the driver waits for a status of 0 (Virtual I/O Device 1.2, 2.4 and 4.1.4.3.2), and nobody
 * for the storage.
 */
@Timeout(60)
class LateResetTest {

    private static final int BLOCK = 4096;
    private static final byte OLD = 0x22;

    private FaultyBackend storage;
    private DiskFixture fixture = fixture(builder -> builder.queues(2));

    @AfterEach
    void close() {
        storage.release();
        fixture.close();
    }

    /** Nor does it do any harm, whatever it sets up or enables. */
    @Test
    void whatADriverWritesBeforeItsResetIsOverIsDropped() {
        startAndStall();
        int ready = fixture.driver.status();
        fixture.driver.setStatus(0);
        assertThat(fixture.driver.status()).isEqualTo(ready);

        fixture.driver.write(VirtioDriver.DEVICE + CONFIG_WCE, 1, 0);
        assertThat(fixture.driver.read(VirtioDriver.DEVICE + CONFIG_WCE, 1)).isEqualTo(1);
        fixture.driver.setUpQueue(1, fixture.ring, 1);
        assertThat(fixture.driver.read(VIRTIO_PCI_COMMON_Q_SELECT, 2)).isZero();
        fixture.driver.write(VIRTIO_PCI_COMMON_MSIX, 2, 2);
        assertThat(fixture.driver.read(VIRTIO_PCI_COMMON_MSIX, 2)).isEqualTo(VIRTIO_MSI_NO_VECTOR);
        fixture.driver.setDriverFeatures(0);
        fixture.driver.setStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER_OK);
        fixture.driver.notifyQueue(0);
        fixture.driver.notifyQueue(1);
        fixture.driver.setStatus(0);
        assertThat(fixture.driver.status()).isEqualTo(ready);

        endLate();
        fixture.driver.write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
        assertThat(fixture.driver.read(VIRTIO_PCI_COMMON_Q_ENABLE, 2)).isZero();
        assertThat(fixture.driver.read(VIRTIO_PCI_COMMON_Q_DESCLO, 8)).isZero();
        fixture.driver.setStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
        assertThat(fixture.driver.status())
                .as("what is written to a status of 0")
                .isEqualTo(VIRTIO_CONFIG_S_ACKNOWLEDGE);
        assertWorks();
    }

    /** Its register's write is over when PCI Express says, and the status says whose the driver's memory is. */
    @Test
    void aFunctionLevelResetDoesNotWaitForStorage() throws InterruptedException {
        startAndStall();
        int ready = fixture.driver.status();
        long begin = System.nanoTime();
        fixture.disk.function().initiateReset();
        assertThat(System.nanoTime() - begin).isLessThan(2_000_000_000L);
        assertThat(fixture.driver.status()).isEqualTo(ready);
        fixture.driver.setMaster(true);
        fixture.driver.setStatus(0);
        Thread.sleep(50);
        assertThat(fixture.driver.status()).isEqualTo(ready);
        assertThat(fixture.memory.get(fixture.buffer, BLOCK)).containsOnly(OLD);
        endLate();
        assertThat(fixture.driver.read(VIRTIO_PCI_COMMON_Q_ENABLE, 2)).isZero();
        assertWorks();
    }

    @Test
    void severalThreadsAreResetLateAsWell() {
        use(builder -> builder.queues(3).threads(3));
        startAndStall();
        fixture.disk.function().initiateReset();
        assertThat(fixture.driver.status()).isNotZero();
        endLate();
        assertWorks();
    }

    /** A status of 0 says that all of them are over. */
    @Test
    void aFunctionLevelResetBehindADriversOwnIsPartOfIt() {
        startAndStall();
        fixture.driver.setStatus(0);
        fixture.disk.function().initiateReset();
        fixture.disk.function().initiateReset();
        assertThat(fixture.driver.status()).isNotZero();
        endLate();
        assertWorks();
    }

    @Test
    void aFunctionLevelResetThatWaitsForNothingIsOverAtOnce() {
        fixture.start(ALL_FEATURES);
        fixture.disk.function().initiateReset();
        assertThat(fixture.driver.status()).isZero();
        fixture.disk.function().initiateReset();
        assertThat(fixture.driver.status()).isZero();
        assertWorks();
    }

    @Test
    void aFunctionLevelResetEndsASuspension() {
        fixture.start(ALL_FEATURES);
        state().suspend();
        fixture.disk.function().initiateReset();
        assertWorks();
    }

    /** Who suspends a function means what it is after the resets that have begun. */
    @Test
    void aSuspensionBehindALateResetStays() {
        startAndStall();
        fixture.disk.function().initiateReset();
        Thread suspending = Thread.ofPlatform().start(() -> state().suspend());
        VirtioDriver.await("the suspension", () -> suspending.getState() == Thread.State.TIMED_WAITING);
        endLate();
        VirtioDriver.await("its end", () -> !suspending.isAlive());

        fixture.start(ALL_FEATURES);
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(fixture.buffer, BLOCK));
        fixture.driver.notifyQueue(0);
        // Behind whatever the queue thread would have done.
        state().save();
        assertThat(fixture.ring.hasUsed()).isFalse();
        state().resume();
        fixture.ring.await();
    }

    private void use(UnaryOperator<VirtioBlk.Builder> options) {
        fixture.close();
        fixture = fixture(options);
    }

    private DiskFixture fixture(UnaryOperator<VirtioBlk.Builder> options) {
        storage = new FaultyBackend(new MemoryBackend(DISK_BYTES));
        return new DiskFixture(storage, options);
    }

    private FunctionState state() {
        return fixture.disk.function().platform(FunctionState.class).orElseThrow();
    }

    /** With a read that has no answer. */
    private void startAndStall() {
        fixture.start(ALL_FEATURES);
        fixture.memory.fill(fixture.buffer, BLOCK, OLD);
        storage.add(new Fault.Sticks(0, DISK_BYTES));
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(fixture.buffer, BLOCK));
        fixture.driver.notifyQueue(0);
        VirtioDriver.await("a request that stalls", () -> storage.stalled() == 1);
    }

    private void endLate() {
        storage.release();
        VirtioDriver.await("the end of the reset", () -> fixture.driver.status() == 0);
    }

    private void assertWorks() {
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, fixture.buffer, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.memory.get(fixture.buffer, BLOCK)).containsOnly(0);
    }
}
