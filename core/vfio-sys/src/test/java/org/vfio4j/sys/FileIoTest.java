package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;
import static org.vfio4j.sys.Failures.assertFails;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@link FileIo} and {@link FileStat}. */
class FileIoTest {

    private static final int SIZE = 65536;

    @TempDir
    Path directory;

    private final Mapping memory = Mapping.anonymous(SIZE);
    private final long at = memory.address();
    private Path path;

    @BeforeEach
    void makeFile() throws Exception {
        path = Files.write(directory.resolve("file"), new byte[SIZE]);
    }

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void openingSaysWhyNot() {
        Path missing = directory.resolve("missing");
        assertFails(ENOENT, () -> FileIo.open(missing, FileIo.O_RDWR)).startsWith("open " + missing + ": ENOENT");
        assertFails(EISDIR, () -> FileIo.open(directory, FileIo.O_RDWR));
        assertFails(ENOTDIR, () -> FileIo.open(path.resolve("below"), FileIo.O_RDONLY));
        assertThat(missing).doesNotExist();
    }

    @Test
    void failuresAreNegativeNumbers() {
        try (Fd readOnly = FileIo.open(path, FileIo.O_RDONLY)) {
            int fd = readOnly.value();
            assertThat(FileIo.pwrite(fd, at, 1, 0)).isEqualTo(-EBADF);
            assertThat(FileIo.pread(fd, at, 1, -1)).isEqualTo(-EINVAL);
            assertThat(FileIo.pread(fd, 1, 1, 0)).as("a wrong address").isEqualTo(-EFAULT);
            assertThat(FileIo.fallocate(fd, 0, 0, 1)).isEqualTo(-EBADF);
            assertThat(FileIo.fdatasync(-1)).isEqualTo(-EBADF);
            assertThat(FileIo.preadv(fd, at, -1, 0)).isEqualTo(-EINVAL);
        }
    }

    @Test
    void readsEndAtTheEndOfTheFile() {
        try (Fd file = FileIo.open(path, FileIo.O_RDONLY)) {
            assertThat(FileIo.pread(file.value(), at, 100, SIZE - 10)).isEqualTo(10);
            assertThat(FileIo.pread(file.value(), at, 100, SIZE)).isZero();
        }
    }

    @Test
    void writtenBytesAreReadBack() {
        try (Fd file = FileIo.open(path, FileIo.O_RDWR)) {
            int fd = file.value();
            RawMemory.putLong(at, 0x1234);
            assertThat(FileIo.pwrite(fd, at, 8, 512)).isEqualTo(8);
            assertThat(FileIo.fdatasync(fd)).isZero();
            assertThat(FileIo.pread(fd, at + 64, 8, 512)).isEqualTo(8);
            assertThat(RawMemory.getLong(at + 64)).isEqualTo(0x1234);
        }
    }

    @Test
    void vectorsAreTakenInOrder() {
        try (Fd file = FileIo.open(path, FileIo.O_RDWR)) {
            long iov = at + 4096;
            RawMemory.putInt(at, 1);
            RawMemory.putInt(at + 100, 2);
            vector(iov, 0, at, 4);
            vector(iov, 1, at + 100, 4);
            assertThat(FileIo.pwritev(file.value(), iov, 2, 8)).isEqualTo(8);
            vector(iov, 0, at + 204, 4);
            vector(iov, 1, at + 200, 4);
            assertThat(FileIo.preadv(file.value(), iov, 2, 8)).isEqualTo(8);
            assertThat(RawMemory.getLong(at + 200)).isEqualTo(1L << 32 | 2);
        }
    }

    @Test
    void aPunchedHoleReadsAsZeroes() {
        try (Fd file = FileIo.open(path, FileIo.O_RDWR)) {
            RawMemory.fill(at, SIZE, (byte) 7);
            FileIo.pwrite(file.value(), at, SIZE, 0);
            int mode = FileIo.FALLOC_FL_PUNCH_HOLE | FileIo.FALLOC_FL_KEEP_SIZE;
            assertThat(FileIo.fallocate(file.value(), mode, 4096, 4096)).isZero();
            FileIo.pread(file.value(), at, 8, 4096);
            assertThat(RawMemory.getLong(at)).isZero();
            assertThat(FileStat.of(file).size()).isEqualTo(SIZE);
        }
    }

    @Test
    void aLockKeepsOthersOut() {
        try (Fd first = FileIo.open(path, FileIo.O_RDWR);
                Fd second = FileIo.open(path, FileIo.O_RDONLY)) {
            assertThat(FileIo.flock(first, FileIo.LOCK_EX | FileIo.LOCK_NB)).isZero();
            assertThat(FileIo.flock(second, FileIo.LOCK_SH | FileIo.LOCK_NB)).isEqualTo(-EAGAIN);
            first.close();
            assertThat(FileIo.flock(second, FileIo.LOCK_SH | FileIo.LOCK_NB)).isZero();
        }
    }

    @Test
    void aRegularFileIsNoBlockDevice() {
        try (Fd file = FileIo.open(path, FileIo.O_RDONLY)) {
            assertFails(ENOTTY, () -> FileIo.blockDeviceSize(file)).contains("BLKGETSIZE64");
        }
    }

    @Test
    void aFileIsDescribed() throws Exception {
        FileStat stat = FileStat.of(path);
        assertThat(stat.size()).isEqualTo(SIZE);
        assertThat(stat.isRegular()).isTrue();
        assertThat(stat.isBlockDevice() || stat.isDirectory() || stat.isSocket())
                .isFalse();
        assertThat(stat.ino()).isEqualTo(((Number) Files.getAttribute(path, "unix:ino")).longValue());
        assertThat(FileStat.of(directory).isDirectory()).isTrue();
        assertThat(FileStat.of(directory).isSameFile(stat)).isFalse();
        assertFails(ENOENT, () -> FileStat.of(directory.resolve("missing")));
    }

    private static void vector(long iov, int i, long base, long length) {
        RawMemory.putLong(iov + i * 16L, base);
        RawMemory.putLong(iov + i * 16L + 8, length);
    }
}
