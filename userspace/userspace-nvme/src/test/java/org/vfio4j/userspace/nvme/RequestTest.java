package org.vfio4j.userspace.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EILSEQ;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EROFS;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Seals;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.userspace.disk.Completion;
import org.vfio4j.userspace.nvme.NvmeOptions.Doorbells;

/** NVM Command Set 1.0, 3.2: requests, doorbells and interrupts. */
class RequestTest {

    private static final int PAGE = 4096;

    private final FakeController fake = new FakeController();
    private final List<Integer> done = new ArrayList<>();
    private final List<NvmeDriver> opened = new ArrayList<>();
    private int result = 1;

    @AfterEach
    void close() {
        opened.forEach(NvmeDriver::close);
        fake.close();
    }

    @Test
    void rejectsWhatIsNotInTheNamespace() {
        NvmeQueue queue = open().queue(0);
        long end = FakeController.BLOCKS * 512L;
        assertErrno(EINVAL, () -> queue.read(end, 0, 512, 0));
        assertErrno(EINVAL, () -> queue.read(end - 512, 0, 1024, 0));
        assertErrno(EINVAL, () -> queue.read(-512, 0, 512, 0));
        assertErrno(EINVAL, () -> queue.read(100, 0, 512, 0));
        assertErrno(EINVAL, () -> queue.write(0, 0, 100, 0));
        assertErrno(EINVAL, () -> queue.write(0, 0, 0, 0));
        assertErrno(EINVAL, () -> queue.write(0, 0, 129 << 10, 0));
        assertErrno(EINVAL, () -> queue.writeZeroes(0, end + 512, false, 0));
        assertThat(queue.inFlight()).isZero();
    }

    @Test
    void rejectsBuffersThatAreNotInTheMemory() {
        NvmeDriver driver = open();
        long size = driver.memory().sizeBytes();
        assertErrno(EINVAL, () -> driver.queue(0).read(0, size - 256, 512, 0));
        assertErrno(EINVAL, () -> driver.queue(0).read(0, -4, 512, 0));
        assertErrno(EINVAL, () -> driver.queue(0).read(0, 2, 512, 0));
    }

    @Test
    void doesNotWriteAProtectedNamespace() {
        fake.namespace.put(ID_NS_NSATTR, (byte) NSATTR_WRITE_PROTECTED);
        NvmeQueue queue = open().queue(0);
        assertErrno(EROFS, () -> queue.write(0, 0, 512, 0));
        assertErrno(EROFS, () -> queue.deallocate(0, 512, 0));
        assertThat(queue.read(0, 0, 512, 0)).isTrue();
    }

    @Test
    void doesNotUseWhatTheControllerDoesNotOffer() {
        fake.controller.putShort(ID_CTRL_ONCS, (short) 0);
        NvmeQueue queue = open().queue(0);
        assertErrno(ENOTSUP, () -> queue.compare(0, 0, 512, 0));
        assertErrno(ENOTSUP, () -> queue.deallocate(0, 512, 0));
        assertErrno(ENOTSUP, () -> queue.writeZeroes(0, 512, true, 0));
    }

    @ParameterizedTest
    @CsvSource({"0,512", "0,4096", "512,4096", "0,8192", "4,8192", "512,131072", "3584,131072", "0,131072", "4092,512"})
    void movesDataWhereverThePagesBegin(int within, int length) {
        NvmeDriver driver = open();
        NvmeQueue queue = driver.queue(0);
        long buffer = driver.memory().allocate(64 * PAGE, PAGE) + within;
        MemorySegment memory = driver.memory().segment(buffer, length);
        byte[] bytes = new byte[length];
        new Random(within).nextBytes(bytes);
        memory.copyFrom(MemorySegment.ofArray(bytes));
        assertThat(outcome(queue, queue.write(1024, buffer, length, 9))).isZero();
        memory.fill((byte) 0);
        assertThat(outcome(queue, queue.read(1024, buffer, length, 9))).isZero();
        assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
        assertThat(outcome(queue, queue.compare(1024, buffer, length, 9))).isZero();
        memory.set(ValueLayout.JAVA_BYTE, length - 1, (byte) (bytes[length - 1] + 1));
        assertThat(outcome(queue, queue.compare(1024, buffer, length, 9))).isEqualTo(-EILSEQ);
        assertThat(queue.status() & 0x7ff).isEqualTo(NvmeStatus.COMPARE_FAILURE);
    }

    @Test
    void zeroesAndGivesUpExactlyTheRange() {
        NvmeQueue queue = open().queue(0);
        MemorySegment.ofArray(fake.disk).fill((byte) 7);
        assertThat(outcome(queue, queue.writeZeroes(512, 1024, true, 1))).isZero();
        assertThat(IntStream.range(0, 4096).filter(i -> fake.disk[i] == 0).toArray())
                .isEqualTo(IntStream.range(512, 1536).toArray());
        assertThat(outcome(queue, queue.deallocate(2048, 512, 1))).isZero();
        assertThat(IntStream.range(0, 4096)
                        .filter(i -> fake.disk[i] == (byte) 0xdd)
                        .toArray())
                .isEqualTo(IntStream.range(2048, 2560).toArray());
        assertThat(outcome(queue, queue.flush(1))).isZero();
        assertThat(fake.opcodes).containsExactly(WRITE_ZEROES, DATASET_MANAGEMENT, FLUSH);
    }

    @ParameterizedTest
    @EnumSource(Doorbells.class)
    void goesAroundItsQueuesForLong(Doorbells how) {
        prepare(how);
        NvmeDriver driver = open(NvmeOptions.DEFAULTS.withQueueSize(8).withDoorbells(how));
        assertThat(driver.doorbells()).isEqualTo(how);
        NvmeQueue queue = driver.queue(0);
        assertThat(queue.depth()).isEqualTo(7);
        for (int round = 0; round < 20_000; round++) {
            int first = 3 * round;
            queue.write(512, 0, 512, first);
            queue.flush(first + 1);
            queue.read(512, 0, 512, first + 2);
            queue.kick();
            look(how);
            done.clear();
            assertThat(queue.poll((tag, r) -> done.add(tag))).isEqualTo(3);
            assertThat(done).containsExactly(first, first + 1, first + 2);
        }
    }

    @Test
    void ringsAShadowedDoorbellOnlyWhenAsked() {
        prepare(Doorbells.SHADOW);
        NvmeQueue queue =
                open(NvmeOptions.DEFAULTS.withDoorbells(Doorbells.SHADOW)).queue(0);
        queue.flush(1);
        queue.kick();
        int rings = fake.queues.get(1).rings;
        assertThat(rings).as("the event index is 0, which the tail has passed").isEqualTo(1);
        queue.flush(2);
        queue.kick();
        queue.flush(3);
        queue.kick();
        assertThat(fake.queues.get(1).rings).isEqualTo(rings);
        fake.lookAtShadow();
        queue.flush(4);
        queue.kick();
        assertThat(fake.queues.get(1).rings).isEqualTo(rings + 1);
        assertThat(queue.poll((tag, r) -> done.add(tag))).isEqualTo(4);
    }

    @Test
    void sealsTheMemoryThatItMaps() {
        fake.offerDoorbells();
        open(NvmeOptions.DEFAULTS);
        assertThat(Seals.get(fake.doorbells.orElseThrow()) & Seals.F_SEAL_SHRINK)
                .isNotZero();
    }

    @Test
    void doesNotMapMemoryThatCanShrink() {
        fake.offerDoorbells();
        Seals.add(fake.doorbells.orElseThrow(), Seals.F_SEAL_SEAL);
        assertThat(open(NvmeOptions.DEFAULTS).doorbells()).isEqualTo(Doorbells.WRITTEN);
        opened.forEach(NvmeDriver::close);
        NvmeOptions trusting = NvmeOptions.DEFAULTS.withDoorbells(Doorbells.MAPPED_UNSEALED);
        assertThat(open(trusting).doorbells()).isEqualTo(Doorbells.MAPPED_UNSEALED);
    }

    @Test
    void mapsHardwareAsItIs() {
        fake.offerDoorbells();
        Seals.add(fake.doorbells.orElseThrow(), Seals.F_SEAL_SEAL);
        fake.permanent = true;
        assertThat(open(NvmeOptions.DEFAULTS).doorbells()).isEqualTo(Doorbells.MAPPED);
    }

    @Test
    void shadowsTheDoorbellsThatItMayNotMap() {
        fake.controller.putShort(ID_CTRL_OACS, (short) OACS_DOORBELL_BUFFER);
        assertThat(open(NvmeOptions.DEFAULTS).doorbells()).isEqualTo(Doorbells.SHADOW);
        opened.forEach(NvmeDriver::close);
        NvmeOptions written = NvmeOptions.DEFAULTS.withDoorbells(Doorbells.WRITTEN);
        assertThat(open(written).doorbells()).isEqualTo(Doorbells.WRITTEN);
    }

    @Test
    void doesNotMapAreasThatDoNotHoldTheDoorbells() {
        fake.offerDoorbells();
        long[][] areas = {{0x2000, 0x1000}, {REG_DOORBELLS, 8}, {REG_DOORBELLS, -1}, {-1, 0x3000}, {0, 0x1000}};
        for (long[] area : areas) {
            fake.areaOffset = area[0];
            fake.areaBytes = area[1];
            NvmeDriver driver = open(NvmeOptions.DEFAULTS);
            assertThat(driver.doorbells()).as("%x %x", area[0], area[1]).isEqualTo(Doorbells.WRITTEN);
            driver.close();
        }
    }

    @Test
    void saysWhenTheQueueIsFull() {
        NvmeQueue queue = open(NvmeOptions.DEFAULTS.withQueueSize(4)).queue(0);
        for (int i = 0; i < 3; i++) {
            assertThat(queue.read(0, 0, 512, i)).isTrue();
        }
        assertThat(queue.read(0, 0, 512, 9)).isFalse();
        assertThat(queue.flush(9)).isFalse();
        assertThat(queue.deallocate(0, 512, 9)).isFalse();
        assertThat(queue.writeZeroes(0, 512, false, 9)).isFalse();
        queue.kick();
        assertThat(queue.poll((tag, r) -> done.add(tag))).isEqualTo(3);
        assertThat(queue.read(0, 0, 512, 9)).isTrue();
    }

    @Test
    void tellsTheControllerWhatItHasTaken() {
        NvmeQueue queue = open(NvmeOptions.DEFAULTS.withQueueSize(16)).queue(0);
        FakeController.Queue seen = fake.queues.get(1);
        for (int i = 1; i <= 20; i++) {
            outcome(queue, queue.flush(i));
            int behind = (i - seen.headTold) & 15;
            assertThat(behind).as("entries that the controller takes for full").isLessThan(4);
        }
    }

    @Test
    void sleepsUntilItIsInterrupted() throws InterruptedException {
        NvmeQueue queue = open().queue(0);
        fake.deaf = true;
        queue.flush(5);
        queue.kick();
        assertThat(queue.await(1_000_000)).isFalse();
        fake.deaf = false;
        Thread device = Thread.ofPlatform().start(() -> fake.post(fake.queues.get(1), 0, 0, 0));
        assertThat(queue.await(10_000_000_000L)).isTrue();
        device.join();
        assertThat(queue.poll((tag, r) -> done.add(tag))).isEqualTo(1);
        assertThat(done).containsExactly(5);
    }

    @ParameterizedTest
    @EnumSource(Doorbells.class)
    void allocatesNothingPerRequest(Doorbells how) {
        prepare(how);
        NvmeQueue queue = open(NvmeOptions.DEFAULTS.withDoorbells(how)).queue(0);
        Completion handler = (tag, r) -> result = r;
        Thread self = Thread.currentThread();
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 20; round++) {
            fake.deaf = true;
            fake.opcodes.clear();
            long before = ThreadUse.allocatedBytes(self);
            for (int i = 0; i < 200; i++) {
                queue.read(0, 0, 16 << 10, i);
            }
            queue.kick();
            long asked = ThreadUse.allocatedBytes(self) - before;
            fake.deaf = false;
            look(how);
            fake.serveAll();
            before = ThreadUse.allocatedBytes(self);
            assertThatTaken(queue.poll(handler));
            least = Math.min(least, asked + ThreadUse.allocatedBytes(self) - before);
        }
        assertThat(least).as("bytes for 200 requests").isLessThan(200);
    }

    private static void assertThatTaken(int completions) {
        if (completions != 200) {
            throw new AssertionError(completions + " completions of 200");
        }
    }

    private void prepare(Doorbells how) {
        switch (how) {
            case WRITTEN -> {}
            case MAPPED, MAPPED_UNSEALED -> fake.offerDoorbells();
            case SHADOW -> fake.controller.putShort(ID_CTRL_OACS, (short) OACS_DOORBELL_BUFFER);
        }
    }

    /** What a controller does whose doorbells do not trap. */
    private void look(Doorbells how) {
        switch (how) {
            case WRITTEN -> {}
            case MAPPED, MAPPED_UNSEALED -> fake.lookAtDoorbells();
            case SHADOW -> fake.lookAtShadow();
        }
    }

    private NvmeDriver open() {
        return open(NvmeOptions.DEFAULTS);
    }

    private NvmeDriver open(NvmeOptions options) {
        NvmeDriver driver = NvmeDriver.open(fake, options);
        opened.add(driver);
        return driver;
    }

    private int outcome(NvmeQueue queue, boolean made) {
        assertThat(made).isTrue();
        queue.kick();
        assertThat(queue.poll((tag, r) -> result = r)).isEqualTo(1);
        return result;
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
