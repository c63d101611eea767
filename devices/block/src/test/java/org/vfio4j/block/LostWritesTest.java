package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.vfio4j.sys.Errno.*;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.IoUring;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** The kernel says once that it could not write something back: see fsync(2). */
class LostWritesTest {

    private static final int SIZE = 65536;
    private static final int DEPTH = 4;

    @TempDir
    Path directory;

    private Path image;

    @BeforeEach
    void makeImage() throws Exception {
        image = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
    }

    @Test
    void noFlushSucceedsAfterOneThatFailed() {
        LostWrites writes = new LostWrites(image);
        writes.cached();
        assertThat(writes.flushed(0)).isZero();
        assertThat(writes.flushed(-EIO)).isEqualTo(-EIO);
        assertThat(writes.flushed(0)).as("one that was under way").isEqualTo(-EIO);
        assertThat(writes.flushed(-ENOSPC)).isEqualTo(-ENOSPC);
        assertThat(writes.error()).isEqualTo(-EIO);
    }

    @Test
    void whatWasTakenBackHasNotFailed() {
        LostWrites writes = new LostWrites(image);
        writes.cached();
        for (int errno : new int[] {ECANCELED, EINTR, EAGAIN}) {
            assertThat(writes.flushed(-errno)).isEqualTo(-errno);
            assertThat(writes.error()).isZero();
        }
    }

    /** Such as past the page cache: a device that did not answer may do so the next time. */
    @Test
    void withoutWritesThereIsNothingToLose() {
        LostWrites writes = new LostWrites(image);
        assertThat(writes.flushed(-EIO)).isEqualTo(-EIO);
        assertThat(writes.flushed(0)).isZero();
    }

    /** Flushed is what cannot be, and then a file that could. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void queuesOfAFileShareItsFate(boolean uring) {
        try (FileTarget fails = target(EventFd.create());
                FileTarget works = target(FileIo.open(image, FileIo.O_RDWR))) {
            assertThat(writeAndFlush(uring, works)).isZero();
            assertThat(works.lost.error()).isZero();
            fails.lost.cached();
            assertThat(flush(uring, fails)).isEqualTo(-EINVAL);
            assertThat(fails.lost.error()).isEqualTo(-EINVAL);
            works.lost.flushed(-EIO);
            assertThat(flush(uring, works)).as("by another queue").isEqualTo(-EIO);
        }
    }

    private FileTarget target(Fd file) {
        return new FileTarget(image, file, null, false, FileStat.of(file), SIZE);
    }

    private static int writeAndFlush(boolean uring, FileTarget target) {
        try (BlockQueue queue = open(uring, target);
                Mapping memory = Mapping.anonymous(8192)) {
            RawMemory.putLong(memory.address(), memory.address() + 4096);
            RawMemory.putLong(memory.address() + Long.BYTES, 512);
            queue.writev(0, memory.address(), 1, 0);
            assertThat(await(queue)).isEqualTo(512);
            queue.flush(1);
            return await(queue);
        }
    }

    private static int flush(boolean uring, FileTarget target) {
        try (BlockQueue queue = open(uring, target)) {
            queue.flush(0);
            return await(queue);
        }
    }

    private static BlockQueue open(boolean uring, FileTarget target) {
        if (!uring) {
            return new SyncQueue(target, DEPTH);
        }
        try {
            return new UringQueue(target, IoUring.create(DEPTH), null, false, DEPTH);
        } catch (ErrnoException e) {
            return abort("io_uring is not offered: " + e.getMessage());
        }
    }

    private static int await(BlockQueue queue) {
        int[] answer = {Integer.MAX_VALUE};
        queue.submit();
        while (queue.poll((tag, result) -> answer[0] = result) == 0) {
            Thread.onSpinWait();
        }
        return answer[0];
    }
}
