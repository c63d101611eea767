package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.vfio4j.sys.Errno.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.IoUring;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** Opening a file, and a file that fails later. */
class FileBackendTest {

    private static final int SIZE = 65536;

    @TempDir
    Path directory;

    private Path image;

    @BeforeEach
    void makeImage() throws Exception {
        image = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
    }

    @Test
    void refusesAFileThatIsMissingAndMakesNone() {
        Path missing = directory.resolve("missing.img");
        assertRefused(ENOENT, missing, false, missing.toString());
        assertThat(missing).doesNotExist();
    }

    @Test
    void refusesADirectory() {
        assertRefused(EISDIR, directory, false, directory.toString());
        assertRefused(EISDIR, directory, true, directory.toString());
    }

    @Test
    void refusesWhatIsNoStorage() {
        assertRefused(EINVAL, Path.of("/dev/null"), true, "neither a regular file nor a block device");
    }

    @Test
    void refusesAPipeWithoutWaitingForItsWriter() throws Exception {
        Path pipe = directory.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        assertRefused(EINVAL, pipe, true, "neither a regular file nor a block device");
    }

    @Test
    void refusesASizeThatIsNoSectors() throws Exception {
        for (int size : new int[] {0, 511, 513}) {
            Files.write(image, new byte[size]);
            assertRefused(EINVAL, image, false, "its size of " + size + " bytes is no multiple of 512 above 0");
            assertThat(image).hasSize(size);
        }
    }

    @Test
    void refusesAFileThatAnotherServes() {
        try (FileBackend first = FileBackend.open(image, false, FileIoMode.AUTO)) {
            assertThat(first.sizeBytes()).isEqualTo(SIZE);
            assertRefused(EBUSY, image, false, "which another server has");
            assertRefused(EBUSY, image, true, "which another server has");
        }
        FileBackend.open(image, false, FileIoMode.AUTO).close();
    }

    /** A ring holds files as well, and the kernel takes it down when it likes: the lock must not wait for that. */
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "IOPOLL") // FileIopollTest
    void aFileIsFreeOnceItsServerHasClosedIt(FileIoMode mode) {
        for (int i = 0; i < 50; i++) {
            try (FileBackend file = FileBackend.open(image, false, mode);
                    Requests requests = new Requests(file)) {
                assertThat(requests.read(0)).isEqualTo(512);
            }
        }
    }

    @Test
    void readersShareAFileAndKeepWritersOut() {
        try (FileBackend first = FileBackend.open(image, true, FileIoMode.AUTO);
                FileBackend second = FileBackend.open(image, true, FileIoMode.AUTO)) {
            assertThat(first.readOnly() && second.readOnly()).isTrue();
            assertRefused(EBUSY, image, false, image.toString());
        }
    }

    @Test
    void saysWhatItIs() {
        try (FileBackend file = FileBackend.open(image, true, FileIoMode.SYNC)) {
            assertThat(file.describe()).isEqualTo("file " + image + " (preadv)");
            assertThat(file.physicalBlockBytes()).isEqualTo(4096);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "IOPOLL") // FileIopollTest
    void aReadOnlyFileRefusesEveryChange(FileIoMode mode) {
        try (FileBackend file = FileBackend.open(image, true, mode);
                Requests requests = new Requests(file)) {
            assertThat(requests.write(0)).isEqualTo(-EROFS);
            requests.queue.discard(0, 512, 0);
            requests.queue.writeZeroes(0, 512, false, 1);
            requests.queue.flush(2);
            assertThat(requests.finish(3)).isEqualTo(Map.of(0, -EROFS, 1, -EROFS, 2, 0));
            assertThat(requests.read(0)).isEqualTo(512);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "IOPOLL") // FileIopollTest
    void aFileThatShrankFailsReadsAndLives(FileIoMode mode) throws Exception {
        try (FileBackend file = FileBackend.open(image, false, mode);
                Requests requests = new Requests(file)) {
            try (var channel = java.nio.channels.FileChannel.open(image, java.nio.file.StandardOpenOption.WRITE)) {
                channel.truncate(SIZE / 2 + 100);
            }
            assertThat(requests.read(SIZE - 512)).isEqualTo(-EIO);
            assertThat(requests.read(SIZE / 2)).as("ends in it").isEqualTo(-EIO);
            assertThat(requests.read(0)).isEqualTo(512);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "IOPOLL") // FileIopollTest
    void aFullFileSystemIsTheRequestsFailure(FileIoMode mode) throws Exception {
        Path mount = Files.createDirectory(directory.resolve("small"));
        Process process =
                new ProcessBuilder("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount.toString()).start();
        org.junit.jupiter.api.Assumptions.assumeTrue(process.waitFor() == 0, "NOT TESTED: mounting needs root");
        try {
            Path sparse = mount.resolve("disk.img");
            try (var file = new java.io.RandomAccessFile(sparse.toFile(), "rw")) {
                file.setLength(1 << 20);
            }
            try (FileBackend file = FileBackend.open(sparse, false, mode);
                    Requests requests = new Requests(file)) {
                int result = 0;
                for (int i = 0; i < 64 && result >= 0; i++) {
                    result = requests.write(i * 4096L);
                }
                assertThat(result).isEqualTo(-ENOSPC);
                assertThat(requests.read(0)).isEqualTo(512);
            }
        } finally {
            new ProcessBuilder("umount", mount.toString()).start().waitFor();
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "IOPOLL") // FileIopollTest
    void growsWhileAQueueIsOpen(FileIoMode mode) throws Exception {
        try (FileBackend file = FileBackend.open(image, false, mode);
                Requests requests = new Requests(file)) {
            assertThat(requests.write(SIZE)).isEqualTo(-EINVAL);
            file.grow(SIZE + 4096);
            assertThat(file.sizeBytes()).isEqualTo(SIZE + 4096);
            assertThat(image).hasSize(SIZE + 4096);
            assertThat(requests.write(SIZE + 4096 - 512)).isEqualTo(512);
            assertThat(requests.read(SIZE)).isEqualTo(512);
            assertThat(requests.read(SIZE + 4096)).isEqualTo(-EINVAL);
        }
    }

    @Test
    void takesAFileThatSomebodyHasMadeLargerAsItIs() throws Exception {
        try (FileBackend file = FileBackend.open(image, true, FileIoMode.AUTO)) {
            assertThat(growing(file, 2 * SIZE)).isEqualTo(EROFS);
            try (var other = new java.io.RandomAccessFile(image.toFile(), "rw")) {
                other.setLength(3 * SIZE);
            }
            file.grow(2 * SIZE);
            assertThat(file.sizeBytes()).isEqualTo(2 * SIZE);
            assertThat(image).hasSize(3 * SIZE);
        }
    }

    @Test
    void doesNotShrinkNorTakeAPartOfASector() {
        try (FileBackend file = FileBackend.open(image, false, FileIoMode.AUTO);
                MemoryBackend memory = new MemoryBackend(SIZE)) {
            for (long size : new long[] {SIZE - 512, SIZE + 1, 0, -512, Long.MIN_VALUE}) {
                assertThat(growing(file, size)).isEqualTo(EINVAL);
            }
            assertThat(file.sizeBytes()).isEqualTo(SIZE);
            assertThat(growing(memory, 2 * SIZE)).isEqualTo(EOPNOTSUPP);
        }
        assertThat(image).hasSize(SIZE);
    }

    /** What a kernel gives has limits: a ring that cannot be made later is no end of the disk. */
    @Test
    void fallsBackWhenALaterRingCannotBeMade() {
        int[] made = {0};
        IntFunction<IoUring> few = entries -> {
            if (made[0]++ > 0) {
                throw new ErrnoException(ENOMEM, "io_uring_setup");
            }
            return IoUring.create(entries);
        };
        try (FileBackend file = FileBackend.open(image, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE, few);
                Requests requests = new Requests(file)) {
            assertThat(requests.write(0)).isEqualTo(512);
            assertThat(file.describe()).endsWith("(preadv)");
        }
        made[0] = 0;
        try (FileBackend file = FileBackend.open(image, false, FileIoMode.URING, FileCaching.PAGE_CACHE, few)) {
            assertThatThrownBy(() -> file.openQueue(1)).hasMessageContaining("ENOMEM");
        }
    }

    /** Zeroes that have to be written are written piece by piece, while others go on. */
    @Test
    void zeroesThatAreWrittenHoldNobodyUp() throws Exception {
        Path shm = Path.of("/dev/shm");
        assumeTrue(Files.isWritable(shm), "NOT TESTED: no /dev/shm");
        Path large = Files.createTempFile(shm, "vfio4j", ".img");
        try (var file = new java.io.RandomAccessFile(large.toFile(), "rw")) {
            file.setLength(32 << 20);
        }
        try (FileBackend file = FileBackend.open(large, false, FileIoMode.URING);
                Requests requests = new Requests(file)) {
            requests.queue.writeZeroes(0, 32 << 20, false, 1);
            for (int i = 0; i < 20; i++) {
                assertThat(requests.read(0)).isEqualTo(512);
                assertThat(requests.results).doesNotContainKey(1);
            }
            assertThat(requests.finish(1)).isEqualTo(Map.of(1, 0));
        } catch (ErrnoException e) {
            abort("NOT TESTED: " + e.getMessage());
        } finally {
            Files.delete(large);
        }
    }

    @Test
    void alignedRequestsOfADirectFileGoPastThePageCache() throws Exception {
        try (FileBackend file = openDirect();
                Requests requests = new Requests(file);
                Mapping aligned = Mapping.anonymous(2 * 4096)) {
            assertThat(file.describe()).endsWith(", direct)");
            RawMemory.fill(aligned.address() + 4096, 4096, (byte) 7);
            IoVecs.set(aligned.address(), 0, aligned.address() + 4096, 4096);
            requests.queue.writev(8192, aligned.address(), 1, 0);
            assertThat(requests.finish(1)).isEqualTo(Map.of(0, 4096));
            assertThat(file.takesDirectly(8192, aligned.address(), 1)).isTrue();
            // Unaligned memory and an aligned access see each other's bytes.
            IoVecs.set(aligned.address(), 0, aligned.address() + 100, 512);
            assertThat(file.takesDirectly(8192, aligned.address(), 1)).isFalse();
            requests.queue.readv(8192, aligned.address(), 1, 0);
            assertThat(requests.finish(1)).isEqualTo(Map.of(0, 512));
            assertThat(RawMemory.getByte(aligned.address() + 611)).isEqualTo((byte) 7);
        }
    }

    private FileBackend openDirect() {
        try {
            return FileBackend.open(image, false, FileIoMode.AUTO, FileCaching.DIRECT);
        } catch (ErrnoException e) {
            return abort("NOT TESTED: " + e.getMessage());
        }
    }

    private static int growing(BlockBackend backend, long size) {
        return catchThrowableOfType(ErrnoException.class, () -> backend.grow(size))
                .errno();
    }

    private static void assertRefused(int errno, Path path, boolean readOnly, String why) {
        ErrnoException failure = catchThrowableOfType(
                ErrnoException.class,
                () -> FileBackend.open(path, readOnly, FileIoMode.AUTO).close());
        assertThat(failure).as("a failure with %s", Errno.name(errno)).isNotNull();
        assertThat(failure.errno()).as(failure.getMessage()).isEqualTo(errno);
        assertThat(failure).hasMessageContaining(why);
    }

    /** One sector at a time. */
    private static final class Requests implements AutoCloseable {

        private final Mapping memory = Mapping.anonymous(4096);
        private final Map<Integer, Integer> results = new HashMap<>();
        private final BlockQueue queue;

        Requests(BlockBackend backend) {
            queue = backend.openQueue(4);
        }

        int read(long offset) {
            queue.readv(offset, vector(), 1, 0);
            return finish(1).get(0);
        }

        int write(long offset) {
            RawMemory.fill(memory.address() + 512, 512, (byte) 1);
            queue.writev(offset, vector(), 1, 0);
            return finish(1).get(0);
        }

        Map<Integer, Integer> finish(int count) {
            results.clear();
            queue.submit();
            while (results.size() < count) {
                queue.poll(results::put);
            }
            return results;
        }

        private long vector() {
            IoVecs.set(memory.address(), 0, memory.address() + 512, 512);
            return memory.address();
        }

        @Override
        public void close() {
            queue.close();
            memory.close();
        }
    }
}
