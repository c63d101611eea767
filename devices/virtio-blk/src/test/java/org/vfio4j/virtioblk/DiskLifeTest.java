package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_MSIX;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_ENABLE;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.DiskFixture.NO_EVENT_INDEX;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.Errno;
import org.vfio4j.virtio.VirtioConfig;
import org.vfio4j.virtio.VirtioPci;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/** What happens to a disk around its requests: notifications, interrupts, bus mastering, memory that goes, resets, idleness. */
class DiskLifeTest {

    private static final int BLOCK = 4096;

    private DiskFixture fixture = new DiskFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    @Test
    void hasNoThreadUntilADriverIsReady() {
        fixture.driver.negotiate(ALL_FEATURES);
        fixture.driver.reset();
        assertThat(fixture.disk.isBusy()).isFalse();
        fixture.start(ALL_FEATURES);
        assertThat(fixture.disk.isBusy()).isTrue();
    }

    @Test
    void endsItsThreadWhenIdleAndStartsItAgain() {
        use(builder -> builder.poll(new QueuePolling(0, 20_000_000)));
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, buffer(), BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
        VirtioDriver.await("the end of the thread", () -> !fixture.disk.isBusy());
        assertThat(fixture.read(0, buffer(), BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
    }

    @Test
    void servesDriversThatNeverNotify() {
        use(builder -> builder.poll(QueuePolling.ALWAYS));
        fixture.start(ALL_FEATURES);
        for (int i = 0; i < 100; i++) {
            fixture.submit(VIRTIO_BLK_T_IN, i, Piece.writable(buffer(), 512));
            fixture.ring.await();
            assertThat(fixture.status()).isEqualTo(VIRTIO_BLK_S_OK);
        }
        assertThat(fixture.disk.counters().notifications()).isZero();
    }

    @Test
    void goesOnThroughIndexWrapAround() {
        fixture.start(ALL_FEATURES);
        long to = buffer();
        for (int i = 0; i < 0x10000 + 100; i++) {
            int before = fixture.ring.availIndex();
            fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(to, 512));
            fixture.kick(before);
            fixture.ring.await();
        }
        assertThat(fixture.ring.usedIndex()).isEqualTo(100);
    }

    /** 2.7.7: with EVENT_IDX an interrupt comes when the used index passes used_event, and only then. */
    @Test
    void interruptsWhenUsedEventIsPassed() {
        fixture.start(ALL_FEATURES);
        int vector = enableMsix();
        for (int at : new int[] {0, 3, 3, 7}) {
            while (fixture.ring.usedIndex() <= at) {
                fixture.ring.setUsedEvent(at);
                int before = fixture.messages.size();
                int index = fixture.ring.usedIndex();
                assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
                settle();
                assertThat(fixture.messages.size() - before).isEqualTo(index == at ? 1 : 0);
            }
        }
        assertThat(fixture.messages).containsOnly(vector);
    }

    /** 2.7.7: without EVENT_IDX the available ring's flag decides. */
    @Test
    void interruptsUnlessTheFlagForbidsIt() {
        fixture.start(NO_EVENT_INDEX);
        enableMsix();
        fixture.ring.setNoInterrupt(true);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
        settle();
        assertThat(fixture.messages).isEmpty();
        fixture.ring.setNoInterrupt(false);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
        VirtioDriver.await("an interrupt", () -> fixture.messages.size() == 1);
    }

    /** 4.1.4.5: reading the ISR status clears it and takes the line down. */
    @Test
    void usesIntxWithoutMsix() {
        fixture.start(NO_EVENT_INDEX);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
        VirtioDriver.await("INTx", () -> fixture.intx);
        assertThat(fixture.driver.read(VirtioDriver.ISR, 1)).isEqualTo(VirtioPci.VIRTIO_PCI_ISR_QUEUE);
        assertThat(fixture.intx).isFalse();
        assertThat(fixture.driver.read(VirtioDriver.ISR, 1)).isZero();
    }

    @Test
    void doesNoDmaWithoutBusMaster() {
        fixture.start(ALL_FEATURES);
        fixture.driver.setMaster(false);
        settle();
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(buffer(), 512));
        fixture.driver.notifyQueue(0);
        settle();
        assertThat(fixture.ring.hasUsed()).isFalse();
        fixture.driver.setMaster(true);
        fixture.ring.await();
        assertThat(fixture.status()).isEqualTo(VIRTIO_BLK_S_OK);
    }

    /** A client goes and the next one comes: the device still is where it was. */
    @Test
    void goesOnAfterItsMemoryCameBack() {
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
        fixture.disk.function().detachDma();
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(buffer(), 512));
        fixture.driver.notifyQueue(0);
        settle();
        assertThat(fixture.ring.hasUsed()).isFalse();
        fixture.disk.function().attachDma(fixture.memory.space());
        fixture.driver.notifyQueue(0);
        fixture.ring.await();
        assertThat(fixture.status()).isEqualTo(VIRTIO_BLK_S_OK);
    }

    /** Guests' memory is unmapped and mapped anew while they run: a notification in between is not lost. */
    @Test
    void waitsForMemoryThatIsMappedAnew() throws InterruptedException {
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
        fixture.memory.unmapFirstHalf();
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(buffer(), 512));
        fixture.driver.notifyQueue(0);
        Thread.sleep(20);
        fixture.memory.mapFirstHalf();
        fixture.ring.await();
        assertThat(fixture.status()).isEqualTo(VIRTIO_BLK_S_OK);
    }

    /** Mapping is no event: the device learns of new memory when it is told to use it. */
    @Test
    void findsMemoryThatWasMappedWhileItPolled() {
        use(builder -> builder.poll(QueuePolling.ALWAYS));
        fixture.memory.unmapFirstHalf();
        fixture.memory.mapFirstHalf();
        fixture.start(ALL_FEATURES);
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(buffer(), 512));
        fixture.ring.await();
        assertThat(fixture.status()).isEqualTo(VIRTIO_BLK_S_OK);
    }

    /** The wait for a client's answer is cut short: the request is served when the next one can answer. */
    @Test
    void keepsARequestThatWasCutShort() throws InterruptedException {
        fixture.start(ALL_FEATURES);
        long far = fixture.memory.remote(512);
        fixture.memory.failRemote(-Errno.ENOTCONN);
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(far, 512));
        fixture.driver.notifyQueue(0);
        Thread.sleep(20);
        assertThat(fixture.ring.hasUsed()).isFalse();
        fixture.memory.failRemote(0);
        fixture.driver.notifyQueue(0);
        fixture.ring.await();
        assertThat(fixture.status()).isEqualTo(VIRTIO_BLK_S_OK);
    }

    @Test
    void isAsNewAfterAFunctionLevelReset() {
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
        fixture.disk.function().reset();
        assertThat(fixture.driver.status()).isZero();
        assertThat(fixture.driver.read(VirtioPci.VIRTIO_PCI_COMMON_Q_ENABLE, 2)).isZero();
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
    }

    @Test
    void resetsUnderLoad() {
        for (int i = 0; i < 50; i++) {
            fixture.start(ALL_FEATURES);
            for (int j = 0; j < 8; j++) {
                fixture.submit(VIRTIO_BLK_T_IN, j, Piece.writable(buffer(), BLOCK));
            }
            fixture.driver.notifyQueue(0);
        }
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
    }

    @Test
    void servesSeveralQueues() {
        use(builder -> builder.queues(3));
        fixture.driver.negotiate(ALL_FEATURES);
        DriverRing[] rings = new DriverRing[3];
        for (int i = 0; i < 3; i++) {
            rings[i] = new DriverRing(fixture.memory, DiskFixture.QUEUE_SIZE, true, i == 2);
            fixture.driver.setUpQueue(i, rings[i], VirtioPci.VIRTIO_MSI_NO_VECTOR);
        }
        fixture.driver.driverOk();
        fixture.header(fixture.headerAt(), VIRTIO_BLK_T_IN, 0);
        for (int round = 0; round < 20; round++) {
            for (int i = 0; i < 3; i++) {
                rings[i].add(
                        Piece.readable(fixture.headerAt(), HEADER_SIZE),
                        Piece.writable(buffer(), 512),
                        Piece.writable(fixture.statusAt(), 1));
                fixture.driver.notifyQueue(i);
            }
            for (DriverRing ring : rings) {
                assertThat(ring.await().written()).isEqualTo(513);
            }
        }
    }

    /** 5.2.5: with the write back cache off, a write is stable when it is complete. */
    @Test
    void flushesEachWriteInWriteThroughMode() {
        AtomicInteger flushes = new AtomicInteger();
        fixture.close();
        fixture = new DiskFixture(new CountingFlushes(DISK_BYTES, flushes), builder -> builder);
        fixture.start(ALL_FEATURES);
        fixture.write(0, buffer(), 512);
        assertThat(flushes).hasValue(0);
        fixture.driver.write(VirtioDriver.DEVICE + CONFIG_WCE, 1, 0);
        fixture.write(0, buffer(), 512);
        assertThat(flushes).hasValue(1);
        fixture.write(0, fixture.memory.remote(512), 512);
        assertThat(flushes).hasValue(2);
        fixture.start(~(VirtioConfig.feature(VIRTIO_BLK_F_FLUSH) | VirtioConfig.feature(VIRTIO_BLK_F_CONFIG_WCE)));
        fixture.write(0, buffer(), 512);
        assertThat(flushes).hasValue(3);
    }

    @Test
    void survivesStorageThatThrows() {
        fixture.close();
        fixture = new DiskFixture(new Throwing(DISK_BYTES), builder -> builder);
        fixture.start(ALL_FEATURES);
        fixture.submit(VIRTIO_BLK_T_FLUSH, 0);
        fixture.driver.notifyQueue(0);
        fixture.awaitNeedsReset();
        fixture.start(ALL_FEATURES);
        assertThat(fixture.read(0, buffer(), 512)).isEqualTo(VIRTIO_BLK_S_OK);
    }

    private void use(java.util.function.UnaryOperator<VirtioBlk.Builder> options) {
        fixture.close();
        fixture = new DiskFixture(new MemoryBackend(DISK_BYTES), options);
    }

    private long buffer() {
        return fixture.buffer;
    }

    /** Vector 1 for queue 0, and MSI-X on. */
    private int enableMsix() {
        fixture.driver.write(VirtioPci.VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
        fixture.driver.write(VirtioPci.VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
        int at = fixture.disk.function().configRead(0x34, 1);
        while (fixture.disk.function().configRead(at, 1) != PCI_CAP_ID_MSIX) {
            at = fixture.disk.function().configRead(at + 1, 1);
        }
        fixture.disk.function().configWrite(at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
        return 1;
    }

    /** Until the queue thread has certainly gone through what it had to do, and a little more. */
    private void settle() {
        try {
            Thread.sleep(5);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Storage in memory whose queues a test stands in for. */
    private abstract static class Wrapped implements BlockBackend {

        final MemoryBackend memory;

        Wrapped(long sizeBytes) {
            memory = new MemoryBackend(sizeBytes);
        }

        @Override
        public long sizeBytes() {
            return memory.sizeBytes();
        }

        @Override
        public int physicalBlockBytes() {
            return memory.physicalBlockBytes();
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public String describe() {
            return "wrapped";
        }

        @Override
        public void close() {
            memory.close();
        }

        BlockQueue withFlush(BlockQueue queue, Runnable before) {
            return (BlockQueue) java.lang.reflect.Proxy.newProxyInstance(
                    BlockQueue.class.getClassLoader(),
                    new Class<?>[] {BlockQueue.class},
                    (proxy, method, arguments) -> {
                        if (method.getName().equals("flush")) {
                            before.run();
                        }
                        return method.invoke(queue, arguments);
                    });
        }
    }

    private static final class CountingFlushes extends Wrapped {

        private final AtomicInteger flushes;

        CountingFlushes(long sizeBytes, AtomicInteger flushes) {
            super(sizeBytes);
            this.flushes = flushes;
        }

        @Override
        public BlockQueue openQueue(int depth) {
            return withFlush(memory.openQueue(depth), flushes::incrementAndGet);
        }
    }

    private static final class Throwing extends Wrapped {

        Throwing(long sizeBytes) {
            super(sizeBytes);
        }

        @Override
        public BlockQueue openQueue(int depth) {
            return withFlush(memory.openQueue(depth), () -> {
                throw new IllegalStateException("the test's storage fails");
            });
        }
    }
}
