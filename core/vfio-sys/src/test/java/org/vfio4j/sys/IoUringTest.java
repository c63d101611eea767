package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.vfio4j.sys.Errno.*;
import static org.vfio4j.sys.Failures.assertFails;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IoUringTest {

    private static final int SIZE = 1 << 20;
    private static final int ENTRIES = 8;

    @TempDir
    Path directory;

    private final OpenFds fds = new OpenFds();
    private final Mapping memory = Mapping.anonymous(SIZE);
    private final long at = memory.address();
    private final Map<Long, Integer> results = new TreeMap<>();
    private Fd file;
    private int fd;
    private IoUring ring;

    @BeforeEach
    void open() throws Exception {
        try {
            ring = IoUring.create(ENTRIES);
        } catch (ErrnoException e) {
            abort("NOT TESTED: " + e.getMessage());
        }
        file = FileIo.open(Files.write(directory.resolve("file"), new byte[SIZE]), FileIo.O_RDWR);
        fd = file.value();
    }

    @AfterEach
    void leavesNoDescriptor() {
        ring.close();
        file.close();
        memory.close();
        fds.assertNoneLeft();
    }

    @Test
    void refusesARingOfNoEntries() {
        assertFails(EINVAL, () -> IoUring.create(0)).contains("entries=0");
    }

    @Test
    void failuresAreResults() {
        ring.prepRead(9999, at, 1, 0, 1);
        ring.prepRead(fd, 1, 1, 0, 2);
        ring.prepWrite(fd, at, 1, -2, 3);
        ring.prepFallocate(fd, 0x4000, 0, 1, 4);
        ring.prepFdatasync(-1, 5);
        assertThat(finish(5)).isEqualTo(Map.of(1L, -EBADF, 2L, -EFAULT, 3L, -EINVAL, 4L, -EOPNOTSUPP, 5L, -EBADF));
    }

    @Test
    void registeredBuffersAreNamedByTheirPlace() {
        assertThat(ring.updateBuffer(0, at, SIZE)).as("no table").isEqualTo(-ENXIO);
        assertThat(ring.registerBuffers(3)).isZero();
        assertThat(ring.registerBuffers(3)).isEqualTo(-EBUSY);
        assertThat(ring.updateBuffer(1, at + 4096, 4096)).isZero();
        assertThat(ring.updateBuffer(3, at, 4096)).isEqualTo(-EINVAL);
        RawMemory.putLong(at + 4096, 42);
        ring.prepWriteFixed(fd, at + 4096, 8, 0, 1, 1);
        assertThat(finish(1)).containsEntry(1L, 8);
        ring.prepReadFixed(fd, at + 8184, 8, 0, 1, 2);
        ring.prepReadFixed(fd, at + 4095, 8, 0, 1, 3);
        ring.prepReadFixed(fd, at + 8185, 8, 0, 1, 4);
        ring.prepReadFixed(fd, at, 8, 0, 0, 5);
        assertThat(finish(4)).isEqualTo(Map.of(2L, 8, 3L, -EFAULT, 4L, -EFAULT, 5L, -EFAULT));
        assertThat(RawMemory.getLong(at + 8184)).isEqualTo(42);
        assertThat(ring.updateBuffer(1, 0, 0)).isZero();
        ring.prepReadFixed(fd, at + 4096, 8, 0, 1, 6);
        assertThat(finish(1)).containsEntry(6L, -EFAULT);
    }

    @Test
    void whatCannotBePinnedIsNoBuffer() {
        assertThat(ring.registerBuffers(1)).isZero();
        try (Mapping readable = Mapping.shared(file, 0, 4096, Mapping.PROT_READ)) {
            assertThat(ring.updateBuffer(0, readable.address(), 4096)).isIn(-EFAULT, -EOPNOTSUPP);
        }
        assertThat(ring.updateBuffer(0, at, (1L << 30) + 1)).isEqualTo(-EFAULT);
        assertThat(ring.updateBuffer(0, 4096, 4096)).as("nothing there").isEqualTo(-EFAULT);
    }

    @Test
    void registeredFilesAreNamedByTheirPlace() throws Exception {
        try (Fd other = FileIo.open(Files.write(directory.resolve("other"), new byte[] {1, 2, 3}), FileIo.O_RDONLY)) {
            ring.registerFiles(file, other);
            other.close();
            ring.prepRead(1, at, 100, 0, 1);
            ring.prepWrite(0, at, 7, 0, 2);
            ring.prepWrite(1, at, 7, 0, 3);
            ring.prepRead(2, at, 1, 0, 4);
            ring.prepRead(fd, at, 1, 0, 5);
            ring.prepFdatasync(0, 6);
            assertThat(finish(6)).isEqualTo(Map.of(1L, 3, 2L, 7, 3L, -EBADF, 4L, -EBADF, 5L, -EBADF, 6L, 0));
            assertFails(EBUSY, () -> ring.registerFiles(file)).contains("FILES, 1 of them");
        }
    }

    @Test
    void aFullSubmissionQueueTakesNoMore() {
        for (int i = 0; i < ENTRIES; i++) {
            assertThat(ring.room()).isEqualTo(ENTRIES - i);
            assertThat(ring.prepRead(fd, at, 1, 0, i)).isTrue();
        }
        assertThat(ring.prepRead(fd, at, 1, 0, ENTRIES)).isFalse();
        assertThat(ring.submit()).isEqualTo(ENTRIES);
        assertThat(ring.room()).isEqualTo(ENTRIES);
        assertThat(finish(ENTRIES)).hasSize(ENTRIES);
    }

    @Test
    void nothingToDoIsNoFailure() {
        assertThat(ring.submit()).isZero();
        assertThat(ring.reap((userData, result) -> {})).isZero();
    }

    @Test
    void writtenBytesAreReadBack() {
        RawMemory.putLong(at, 0x4711);
        ring.prepWrite(fd, at, 8, 4096, -1);
        assertThat(finish(1)).isEqualTo(Map.of(-1L, 8));
        ring.prepFdatasync(fd, 2);
        assertThat(finish(1)).isEqualTo(Map.of(2L, 0));
        ring.prepRead(fd, at + 64, 8, 4096, 3);
        assertThat(finish(1)).isEqualTo(Map.of(3L, 8));
        assertThat(RawMemory.getLong(at + 64)).isEqualTo(0x4711);
    }

    @Test
    void vectorsAreTakenInOrder() {
        long iov = at + 4096;
        RawMemory.putLong(iov, at + 4);
        RawMemory.putLong(iov + 8, 4);
        RawMemory.putLong(iov + 16, at);
        RawMemory.putLong(iov + 24, 4);
        RawMemory.putLong(at, 1L << 32 | 2);
        ring.prepWritev(fd, iov, 2, 0, 1);
        assertThat(finish(1)).isEqualTo(Map.of(1L, 8));
        FileIo.pread(fd, at + 64, 8, 0);
        assertThat(RawMemory.getLong(at + 64)).isEqualTo(2L << 32 | 1);
        ring.prepReadv(fd, iov, 2, 0, 2);
        RawMemory.putLong(at, 0);
        finish(1);
        assertThat(RawMemory.getLong(at)).isEqualTo(1L << 32 | 2);
    }

    @Test
    void aPunchedHoleReadsAsZeroes() {
        RawMemory.fill(at, 8192, (byte) 1);
        FileIo.pwrite(fd, at, 8192, 0);
        ring.prepFallocate(fd, FileIo.FALLOC_FL_PUNCH_HOLE | FileIo.FALLOC_FL_KEEP_SIZE, 4096, 4096, 1);
        assertThat(finish(1)).isEqualTo(Map.of(1L, 0));
        FileIo.pread(fd, at, 8192, 0);
        assertThat(RawMemory.getLong(at)).isNotZero();
        assertThat(RawMemory.getLong(at + 4096)).isZero();
    }

    @Test
    void theQueuesGoRoundWithoutLosingAny() {
        int rounds = 1000;
        long sum = 0;
        for (int i = 0; i < rounds; i++) {
            ring.prepRead(fd, at, i, 0, 2L * i);
            ring.prepRead(fd, at + 4096, i, 0, 2L * i + 1);
            sum += finish(2).values().stream().mapToInt(Integer::intValue).sum();
        }
        assertThat(sum).isEqualTo(rounds * (rounds - 1L));
    }

    @Test
    void moreCompletionsThanTheQueueHoldsAllArrive() {
        int count = ENTRIES * 10;
        for (int i = 0; i < count; i++) {
            while (!ring.prepRead(fd, at, 1, 0, i)) {
                ring.submit();
            }
        }
        ring.submit();
        assertThat(finish(count)).hasSize(count);
    }

    @Test
    void aHandlerMayPrepare() {
        ring.prepRead(fd, at, 1, 0, 1);
        ring.submit();
        ring.await();
        ring.reap((userData, result) -> ring.prepRead(fd, at, 2, 0, 2));
        assertThat(finish(1)).isEqualTo(Map.of(2L, 2));
    }

    @Test
    void theEventFdSignalsWhileItIsEnabled() {
        try (Fd event = EventFd.create()) {
            ring.registerEventFd(event);
            ring.enableEventFd(false);
            ring.prepFdatasync(fd, 1);
            finish(1);
            assertThat(EventFd.drain(event.value())).isEqualTo(-EAGAIN);

            ring.enableEventFd(true);
            ring.prepFdatasync(fd, 2);
            ring.submit();
            assertThat(Poll.poll(event.value(), Poll.POLLIN, 5_000_000_000L)).isEqualTo(Poll.POLLIN);
            assertThat(EventFd.drain(event.value())).isPositive();
            assertThat(finish(1)).isEqualTo(Map.of(2L, 0));
        }
    }

    @Test
    void anotherThreadIsRefusedByTheKernel() throws Exception {
        int[] result = {0};
        Thread other = new Thread(() -> {
            ring.prepRead(fd, at, 1, 0, 1);
            result[0] = ring.submit();
        });
        other.start();
        other.join();
        assertThat(result[0]).isEqualTo(-EEXIST);
    }

    @Test
    void whatAlwaysGoesToAThreadIsCarriedOut() {
        assertThat(FileIo.takesNoWait(file)).isTrue();
        ring.registerFiles(file);
        ring.alwaysAsync();
        RawMemory.fill(at, 512, (byte) 7);
        ring.prepWrite(0, at, 512, 0, 1);
        assertThat(finish(1)).isEqualTo(Map.of(1L, 512));
        ring.prepRead(0, at + 4096, 512, 0, 2);
        ring.prepFdatasync(0, 3);
        assertThat(finish(2)).isEqualTo(Map.of(2L, 512, 3L, 0));
        assertThat(RawMemory.getByte(at + 4096 + 511)).isEqualTo((byte) 7);
    }

    @Test
    void takesBackWhatWaits() {
        UnixSocket.Pair pair = UnixSocket.pair();
        try (Fd here = pair.first();
                Fd there = pair.second()) {
            ring.prepRead(here.value(), at, 1, 0, 1);
            ring.prepRead(here.value(), at, 1, 0, 2);
            ring.submit();
            assertThat(ring.cancel(1)).isZero();
            assertThat(finish(1)).isEqualTo(Map.of(1L, -ECANCELED));
            assertThat(ring.cancel(1)).as("it is done").isEqualTo(-ENOENT);
            FileIo.write(there.value(), at, 1);
            assertThat(finish(1)).isEqualTo(Map.of(2L, 1));
        }
    }

    private Map<Long, Integer> finish(int count) {
        results.clear();
        ring.submit();
        while (results.size() < count) {
            assertThat(ring.await()).isZero();
            ring.reap(results::put);
        }
        return results;
    }
}
