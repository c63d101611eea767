package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;

/** What is written while a storage is copied is known, block by block; for the rest it is the storage that it is. */
class TrackedBackendTest extends BlockQueueContract {

    private static final int BLOCK = 4096;

    @Override
    BlockBackend open() {
        return new TrackedBackend(MemoryBackend.shareable(SIZE));
    }

    @Test
    void marksEachBlockThatIsWritten() {
        write(0, 512);
        WriteMap map = tracked().startTracking();
        assertThat(marked(map)).as("what was written before can be read").isEmpty();
        assertThat(map.blockBytes()).isEqualTo(BLOCK);
        write(BLOCK - 512, 1024);
        discard(8 * BLOCK, 512);
        zero(63 * BLOCK, 2 * BLOCK, false);
        write(SIZE - 512, 512);
        read(20 * BLOCK, BLOCK);
        assertThat(marked(map)).containsExactly(0, 1, 8, 63, 64, SIZE / BLOCK - 1);
        assertThat(marked(map)).as("told once").isEmpty();
    }

    @Test
    void marksNothingWhenNobodyWantsToKnow() {
        WriteMap map = tracked().startTracking();
        tracked().stopTracking();
        write(0, BLOCK);
        assertThat(marked(map)).isEmpty();
        write(BLOCK, BLOCK);
        assertThat(marked(tracked().startTracking())).isEmpty();
    }

    @Test
    void marksAWriteThatBeganBefore() {
        queue.writev(5 * BLOCK, vector(3, BLOCK), 1, 3);
        WriteMap map = tracked().startTracking();
        queue.poll((tag, result) -> assertThat(result).isEqualTo(BLOCK));
        assertThat(marked(map)).containsExactly(5);
    }

    @Test
    void marksAWriteWhoseCompletionIsDropped() {
        WriteMap map = tracked().startTracking();
        queue.writev(7 * BLOCK, vector(3, BLOCK), 1, 3);
        queue.close();
        assertThat(marked(map)).containsExactly(7);
    }

    @Test
    void marksWhatAFailedWriteMayHaveWritten() {
        WriteMap map = tracked().startTracking();
        assertThat(write(SIZE - 512, 1024)).isEqualTo(-EINVAL);
        assertThat(write(-512, 512)).isEqualTo(-EINVAL);
        assertThat(marked(map)).containsExactly(SIZE / BLOCK - 1);
    }

    @Test
    void isCopiedByOneAndKeepsItsSizeMeanwhile() {
        tracked().startTracking();
        assertThatThrownBy(tracked()::startTracking)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EBUSY));
        assertThatThrownBy(() -> backend.grow(2L * SIZE)).hasMessageContaining("being copied");
        tracked().stopTracking();
        assertThatThrownBy(() -> backend.grow(2L * SIZE))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EOPNOTSUPP));
    }

    /** Another process sees the marks, and the bytes. */
    @Test
    void isReadByDescriptor() {
        WriteMap map = tracked().startTracking();
        try (WriteMap there = WriteMap.shared(map.share(), SIZE);
                Fd data = backend.openData(false);
                Mapping copy = Mapping.anonymous(BLOCK)) {
            write(9 * BLOCK, BLOCK);
            assertThat(marked(there)).containsExactly(9);
            assertThat(marked(map)).isEmpty();
            assertThat(FileIo.pread(data.value(), copy.address(), BLOCK, 9 * BLOCK))
                    .isEqualTo(BLOCK);
            assertThat(data.isWritable()).isFalse();
        }
    }

    @Test
    void aMapThatIsNoneIsRefused() {
        Fd unsealed = MemFd.create("test", SIZE / BLOCK / Byte.SIZE);
        assertThatThrownBy(() -> WriteMap.shared(unsealed, SIZE)).isInstanceOf(ErrnoException.class);
        assertThat(unsealed.isOpen()).isFalse();
        WriteMap map = tracked().startTracking();
        assertThatThrownBy(() -> WriteMap.shared(map.share(), 2L * SIZE)).isInstanceOf(ErrnoException.class);
    }

    /** The map has a limit, whatever the storage's size. */
    @Test
    void aLargeStorageHasLargerBlocks() {
        try (WriteMap map = WriteMap.create(1L << 40)) {
            assertThat((1L << 40) / map.blockBytes()).isEqualTo(WriteMap.MAX_BITS);
            map.mark((1L << 40) - 512, Long.MAX_VALUE);
            map.mark(1L << 40, 512);
            assertThat(marked(map)).containsExactly(WriteMap.MAX_BITS - 1);
        }
    }

    private TrackedBackend tracked() {
        return (TrackedBackend) backend;
    }

    private static List<Integer> marked(WriteMap map) {
        List<Integer> blocks = new ArrayList<>();
        map.takeMarked(blocks::add);
        return blocks;
    }
}
