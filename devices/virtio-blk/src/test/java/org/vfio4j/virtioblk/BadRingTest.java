package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_INDIRECT;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_NEXT;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.QUEUE_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.HEADER_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_OK;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.testkit.StuckLog;
import org.vfio4j.virtio.VirtioPci;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/**
 * Virtual I/O Device 1.2, 2.7: what a driver must not do to a ring. It makes the device ask for a reset (2.1.2), tells the driver
 * so, and after the reset the disk works again. Each rule for rings in mapped memory and behind messages.
 */
class BadRingTest {

    private final DiskFixture fixture = new DiskFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsAnAvailableIndexAheadOfTheRing(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        fixture.ring.setAvailIndex(QUEUE_SIZE + 1);
        asksForAReset();
    }

    @Test
    void aLogThatIsStuckDoesNotHoldUpTheReset() {
        try (StuckLog log = new StuckLog("org.vfio4j.virtio.VirtioQueues")) {
            fixture.start(ALL_FEATURES);
            fixture.ring.setAvailIndex(QUEUE_SIZE + 1);
            fixture.driver.notifyQueue(0);
            log.awaitLine();
            fixture.awaitNeedsReset();
            // For drivers that do not wait for it, the reset is over when the write is.
            fixture.driver.setStatus(0);
            assertThat(fixture.driver.status()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsAHeadPastTheTable(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        fixture.ring.offer(QUEUE_SIZE);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsANextPastTheTable(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        describe(0, fixture.headerAt(), HEADER_SIZE, VRING_DESC_F_NEXT, 0xffff);
        fixture.ring.offer(0);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsLoops(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        describe(0, fixture.headerAt(), HEADER_SIZE, VRING_DESC_F_NEXT, 1);
        describe(1, fixture.headerAt(), HEADER_SIZE, VRING_DESC_F_NEXT, 0);
        fixture.ring.offer(0);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsLoopsOfEmptyPieces(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        describe(0, 0, 0, VRING_DESC_F_NEXT, 0);
        fixture.ring.offer(0);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsReadablePiecesBehindWritableOnes(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        fixture.ring.add(Piece.writable(fixture.statusAt(), 1), Piece.readable(fixture.headerAt(), HEADER_SIZE));
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsRequestsWithoutStatusByte(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        fixture.ring.add(Piece.readable(fixture.headerAt(), HEADER_SIZE));
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsAStatusByteOutsideMemory(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        fixture.header(fixture.headerAt(), 0, 0);
        fixture.ring.add(Piece.readable(fixture.headerAt(), HEADER_SIZE), Piece.writable(fixture.memory.end(), 1));
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsIndirectTablesInsideIndirectTables(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        long table = fixture.memory.mapped(64);
        fixture.ring.describe(table, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
        describe(0, table, 16, VRING_DESC_F_INDIRECT, 0);
        fixture.ring.offer(0);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 15, 17, 16 * (QUEUE_SIZE + 1), -16})
    void rejectsIndirectTablesOfIllegalLength(int length) {
        fixture.start(ALL_FEATURES);
        describe(0, fixture.memory.mapped(16), length, VRING_DESC_F_INDIRECT, 0);
        fixture.ring.offer(0);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rejectsIndirectTablesOutsideMemory(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        describe(0, fixture.memory.end(), 16, VRING_DESC_F_INDIRECT, 0);
        fixture.ring.offer(0);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void rejectsAnIndirectDescriptorWithASuccessor(int next) {
        fixture.start(ALL_FEATURES);
        describe(0, fixture.memory.mapped(64), 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, next);
        fixture.ring.offer(0);
        asksForAReset();
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, Integer.MIN_VALUE, 0x7fff_ffff})
    void answersAbsurdLengthsWithIoerr(int length) {
        fixture.start(ALL_FEATURES);
        int status = fixture.request(0, 0, new Piece(fixture.memory.mapped(16), length, true));
        assertThat(status).isEqualTo(VirtioBlkSpec.VIRTIO_BLK_S_IOERR);
    }

    /** A short header still has a status byte to be told by. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void answersAShortHeaderWithIoerr(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        fixture.ring.add(new Piece(fixture.headerAt(), HEADER_SIZE - 1, false), new Piece(fixture.statusAt(), 1, true));
        fixture.driver.notifyQueue(0);
        fixture.ring.await();
        assertThat(fixture.status()).isEqualTo(VirtioBlkSpec.VIRTIO_BLK_S_IOERR);
    }

    /** Notified and not there: the device looks for it for a while, and then asks for a reset. */
    @ParameterizedTest
    @ValueSource(longs = {0x10, -4096})
    void rejectsRingsOutsideMemory(long address) {
        fixture.driver.negotiate(ALL_FEATURES);
        fixture.driver.setUpQueue(0, fixture.ring, VirtioPci.VIRTIO_MSI_NO_VECTOR);
        fixture.driver.reset();
        fixture.driver.negotiate(ALL_FEATURES);
        fixture.driver.write(VirtioPci.VIRTIO_PCI_COMMON_Q_DESCLO, 8, address);
        fixture.driver.write(VirtioPci.VIRTIO_PCI_COMMON_Q_AVAILLO, 8, address);
        fixture.driver.write(VirtioPci.VIRTIO_PCI_COMMON_Q_USEDLO, 8, address);
        fixture.driver.write(VirtioPci.VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
        fixture.driver.driverOk();
        asksForAReset();
    }

    private void describe(int i, long address, int length, int flags, int next) {
        fixture.ring.describe(fixture.ring.desc(), i, address, length, flags, next);
    }

    private void asksForAReset() {
        fixture.driver.notifyQueue(0);
        fixture.awaitNeedsReset();
        // A configuration change interrupt, by INTx since MSI-X is off.
        VirtioDriver.await("a configuration interrupt", () -> fixture.intx);
        assertThat(fixture.driver.read(VirtioDriver.ISR, 1)).isEqualTo(VirtioPci.VIRTIO_PCI_ISR_CONFIG);
        assertThat(fixture.disk.counters().faults()).isEqualTo(1);
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, fixture.memory.mapped(512), 512)).isEqualTo(VIRTIO_BLK_S_OK);
    }
}
