package org.vfio4j.userspace.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EROFS;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;

/** Virtual I/O Device 1.2, 2.7 and 5.2.6: requests, notifications and interrupts. */
class RequestTest {

    private static final long EVENT_IDX = feature(VIRTIO_RING_F_EVENT_IDX);
    private static final long INDIRECT = feature(VIRTIO_RING_F_INDIRECT_DESC);
    private static final int PAGE = 4096;

    private final FakeDisk disk = new FakeDisk();
    private final List<Integer> done = new ArrayList<>();
    private final List<VirtioBlkDriver> opened = new ArrayList<>();

    @AfterEach
    void close() {
        opened.forEach(VirtioBlkDriver::close);
        disk.close();
    }

    @Test
    void rejectsWhatIsNotInTheDisk() {
        VirtioBlkQueue queue = open().queue(0);
        long end = FakeDisk.SECTORS * 512L;
        assertErrno(EINVAL, () -> queue.read(end, 0, 512, 0));
        assertErrno(EINVAL, () -> queue.read(end - 512, 0, 1024, 0));
        assertErrno(EINVAL, () -> queue.read(-512, 0, 512, 0));
        assertErrno(EINVAL, () -> queue.read(100, 0, 512, 0));
        assertErrno(EINVAL, () -> queue.write(0, 0, 100, 0));
        assertErrno(EINVAL, () -> queue.write(0, 0, 0, 0));
        assertErrno(EINVAL, () -> queue.discard(0, 33 * 512, 0));
    }

    @Test
    void rejectsBuffersThatAreNotInTheMemory() {
        VirtioBlkDriver driver = open();
        long size = driver.memory().sizeBytes();
        assertErrno(EINVAL, () -> driver.queue(0).read(0, size - 256, 512, 0));
        assertErrno(EINVAL, () -> driver.queue(0).read(0, -1, 512, 0));
        assertErrno(EINVAL, () -> driver.queue(0).getId(size, 0));
    }

    @Test
    void doesNotWriteAReadOnlyDisk() {
        disk.features |= feature(VIRTIO_BLK_F_RO);
        VirtioBlkQueue queue = open().queue(0);
        assertErrno(EROFS, () -> queue.write(0, 0, 512, 0));
        assertErrno(EROFS, () -> queue.discard(0, 512, 0));
        assertThat(queue.read(0, 0, 512, 0)).isTrue();
    }

    @Test
    void doesNotUseWhatTheDiskDoesNotOffer() {
        disk.features &=
                ~(feature(VIRTIO_BLK_F_FLUSH) | feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES));
        VirtioBlkQueue queue = open().queue(0);
        assertErrno(ENOTSUP, () -> queue.flush(0));
        assertErrno(ENOTSUP, () -> queue.discard(0, 512, 0));
        assertErrno(ENOTSUP, () -> queue.writeZeroes(0, 512, true, 0));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1L << VIRTIO_RING_F_EVENT_IDX, 1L << VIRTIO_RING_F_INDIRECT_DESC, 3L << 28})
    void movesDataWithAndWithoutRingFeatures(long ringFeatures) {
        disk.features = (disk.features & ~(EVENT_IDX | INDIRECT)) | ringFeatures;
        VirtioBlkDriver driver = open();
        VirtioBlkQueue queue = driver.queue(0);
        assertThat(queue.depth()).isEqualTo((ringFeatures & INDIRECT) != 0 ? 64 : 21);
        long buffer = driver.memory().allocate(2 * PAGE, PAGE);
        driver.memory().segment(buffer, PAGE).fill((byte) 7);
        for (int round = 0; round < 40_000; round++) {
            queue.write(512, buffer, PAGE, 3 * round);
            queue.flush(3 * round + 1);
            queue.read(512, buffer + PAGE, PAGE, 3 * round + 2);
            queue.kick();
            done.clear();
            assertThat(queue.poll(this::record)).isEqualTo(3);
            assertThat(done).containsExactly(3 * round, 3 * round + 1, 3 * round + 2);
        }
        assertThat(driver.memory().segment(buffer + PAGE, PAGE).toArray(ValueLayout.JAVA_BYTE))
                .containsOnly(7);
    }

    @Test
    void saysWhenTheQueueIsFull() {
        VirtioBlkQueue queue = open().queue(0);
        for (int i = 0; i < queue.depth(); i++) {
            assertThat(queue.read(0, 0, 512, i)).isTrue();
        }
        assertThat(queue.read(0, 0, 512, 99)).isFalse();
        assertThat(queue.flush(99)).isFalse();
        queue.kick();
        queue.poll(this::record);
        assertThat(done).hasSize(queue.depth());
        assertThat(queue.inFlight()).isZero();
    }

    @Test
    void takesNewRequestsWhileItHandsOutOldOnes() {
        VirtioBlkQueue queue = open().queue(0);
        queue.read(0, 0, 512, 0);
        queue.kick();
        queue.poll((tag, result) -> assertThat(queue.read(0, 0, 512, 1)).isTrue());
        queue.kick();
        queue.poll(this::record);
        assertThat(done).containsExactly(1);
    }

    @Test
    void ringsOnceForABatch() {
        VirtioBlkQueue queue = open().queue(0);
        int before = disk.queue(0).notifications;
        IntStream.range(0, 8).forEach(i -> queue.read(0, 0, 512, i));
        queue.kick();
        queue.kick();
        assertThat(disk.queue(0).notifications).isEqualTo(before + 1);
    }

    @Test
    void doesNotRingForADeviceThatLooksByItself() {
        VirtioBlkQueue queue = open().queue(0);
        FakeDisk.Queue served = disk.queue(0);
        int before = served.notifications;
        // avail_event lies behind: the device has not asked.
        disk.deaf = true;
        queue.read(0, 0, 512, 0);
        queue.kick();
        queue.read(0, 0, 512, 1);
        queue.kick();
        assertThat(served.notifications).isEqualTo(before + 1);
    }

    @Test
    void sleepsUntilTheInterrupt() throws InterruptedException {
        VirtioBlkQueue queue = open().queue(0);
        disk.deaf = true;
        queue.read(0, 0, 512, 5);
        queue.kick();
        disk.deaf = false;
        Thread device = new Thread(() -> disk.serve(disk.queue(0)));
        device.start();
        assertThat(queue.await(5_000_000_000L)).isTrue();
        device.join();
        queue.poll(this::record);
        assertThat(done).containsExactly(5);
    }

    /** The interrupt of a completion that was found by looking is still to be taken when the next wait begins. */
    @Test
    void sleepsOnAfterAnInterruptThatIsOld() throws InterruptedException {
        VirtioBlkQueue queue = open().queue(0);
        disk.deaf = true;
        queue.read(0, 0, 512, 5);
        queue.kick();
        EventFd.signal(disk.vectors.get(0).value());
        assertThat(queue.await(1_000_000)).isFalse();
        EventFd.signal(disk.vectors.get(0).value());
        disk.deaf = false;
        Thread device = new Thread(() -> {
            LockSupport.parkNanos(20_000_000);
            disk.serve(disk.queue(0));
        });
        device.start();
        assertThat(queue.await(5_000_000_000L)).isTrue();
        device.join();
    }

    @Test
    void looksAgainAndAgainWithoutInterrupts() throws InterruptedException {
        disk.msixVectors = 0;
        VirtioBlkQueue queue = open().queue(0);
        disk.deaf = true;
        queue.read(0, 0, 512, 5);
        queue.kick();
        disk.deaf = false;
        Thread device = new Thread(() -> disk.serve(disk.queue(0)));
        device.start();
        assertThat(queue.await(5_000_000_000L)).isTrue();
        device.join();
    }

    @Test
    void namesRangesInSectors() {
        Arrays.fill(disk.disk, (byte) 1);
        VirtioBlkQueue queue = open().queue(0);
        queue.writeZeroes(512, 1024, false, 0);
        queue.discard(4096, 512, 0);
        queue.kick();
        queue.poll(this::record);
        assertThat(disk.requestTypes).endsWith(VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_DISCARD);
        assertThat(disk.disk[511]).isEqualTo((byte) 1);
        assertThat(disk.disk[512]).isZero();
        assertThat(disk.disk[1535]).isZero();
        assertThat(disk.disk[1536]).isEqualTo((byte) 1);
        assertThat(disk.disk[4096]).isZero();
    }

    @Test
    void keepsQueuesApart() {
        VirtioBlkDriver driver = open(VirtioBlkOptions.DEFAULTS.withQueues(2));
        driver.queue(1).read(0, 0, 512, 11);
        driver.queue(1).kick();
        assertThat(driver.queue(0).poll(this::record)).isZero();
        assertThat(driver.queue(1).poll(this::record)).isEqualTo(1);
        assertThat(done).containsExactly(11);
    }

    private VirtioBlkDriver open() {
        return open(VirtioBlkOptions.DEFAULTS);
    }

    private VirtioBlkDriver open(VirtioBlkOptions options) {
        VirtioBlkDriver driver = VirtioBlkDriver.open(disk, options);
        opened.add(driver);
        return driver;
    }

    private void record(int tag, int result) {
        assertThat(result).isZero();
        done.add(tag);
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
