package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;
import static org.vfio4j.sys.Failures.assertFails;

import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** {@link MemFd}, {@link Seals}, {@link Mapping} and {@link RawMemory}. */
class MemoryTest {

    private static final int RW = Mapping.PROT_READ | Mapping.PROT_WRITE;

    @Test
    void countsTheMappingsThatThereAre() {
        int before = Mapping.openCount();
        Mapping mapping = Mapping.anonymous(4096);
        assertThat(Mapping.openCount()).isEqualTo(before + 1);
        mapping.close();
        mapping.close();
        assertThat(Mapping.openCount()).isEqualTo(before);
    }

    @Test
    void mappingRefusesWhatMmapRefuses() {
        try (Fd memory = MemFd.create("test", 8192)) {
            assertFails(EINVAL, () -> Mapping.shared(memory, 1, 4096, RW)).contains("offset=1", "size=4096");
            assertFails(EINVAL, () -> Mapping.shared(memory, 0, 0, RW));
            assertFails(ENOMEM, () -> Mapping.anonymous(1L << 60)).contains("size=" + (1L << 60));
        }
    }

    @Test
    void twoMappingsOfAFileAreTheSameMemory() {
        OpenFds fds = new OpenFds();
        Fd memory = MemFd.create("test", 8192);
        try (Mapping whole = Mapping.shared(memory, 0, 8192, RW);
                Mapping half = Mapping.shared(memory, 4096, 4096, RW)) {
            memory.close();
            RawMemory.putLong(whole.address() + 4104, 42);
            assertThat(half.segment().get(ValueLayout.JAVA_LONG, 8)).isEqualTo(42);
            assertThat(half.size()).isEqualTo(4096);
        }
        fds.assertNoneLeft();
    }

    @Test
    void aMappingIsReleasedOnce() {
        Mapping first = Mapping.anonymous(4096);
        first.close();
        first.close();
    }

    @Test
    void anonymousMemoryTakesNoneUntilItIsTouchedAndIsZeroAfterDiscard() {
        try (Mapping memory = Mapping.anonymous(1L << 40)) {
            long page = memory.address() + (1L << 39);
            RawMemory.putLong(page, 7);
            assertThat(memory.discard(1L << 39, Mapping.PAGE_BYTES)).isZero();
            assertThat(RawMemory.getLong(page)).isZero();
            assertThat(memory.discard(1, 1)).isEqualTo(-EINVAL);
        }
    }

    @Test
    void sealedMemoryCannotShrink() {
        try (Fd memory = MemFd.create("test", 8192)) {
            assertThat(Seals.get(memory)).isZero();
            Seals.add(memory, Seals.F_SEAL_SHRINK);
            assertThat(Seals.get(memory)).isEqualTo(Seals.F_SEAL_SHRINK);
            assertFails(EPERM, () -> FileIo.truncate(memory, 4096));
            FileIo.truncate(memory, 16384);
            Seals.add(memory, Seals.F_SEAL_SEAL);
            assertFails(EPERM, () -> Seals.add(memory, Seals.F_SEAL_GROW));
        }
    }

    @Test
    void otherFilesHaveNoSeals() {
        try (Fd file = FileIo.open(Path.of("/proc/self/exe"), FileIo.O_RDONLY)) {
            assertFails(EINVAL, () -> Seals.get(file));
            assertThat(FileStat.fsMagic(file)).isNotEqualTo(FileStat.TMPFS_MAGIC);
        }
    }

    @Test
    void aMemoryFileIsARegularFileOfTmpfs() {
        try (Fd memory = MemFd.create("test", 8192)) {
            FileStat stat = FileStat.of(memory);
            assertThat(FileStat.fsMagic(memory)).isEqualTo(FileStat.TMPFS_MAGIC);
            assertThat(stat.size()).isEqualTo(8192);
            assertThat(stat.isRegular()).isTrue();
            assertThat(stat.isSameFile(FileStat.of(memory))).isTrue();
        }
    }

    @Test
    void refusesANegativeSize() {
        OpenFds fds = new OpenFds();
        assertFails(EINVAL, () -> MemFd.create("test", -1));
        fds.assertNoneLeft();
    }

    @Test
    void valuesAreLittleEndianAtAnyAddress() {
        try (Mapping memory = Mapping.anonymous(4096)) {
            long at = memory.address() + 1;
            RawMemory.putLong(at, 0x0807060504030201L);
            assertThat(RawMemory.getByte(at)).isEqualTo((byte) 1);
            assertThat(RawMemory.getShort(at + 1)).isEqualTo((short) 0x0302);
            assertThat(RawMemory.getInt(at + 3)).isEqualTo(0x07060504);
            RawMemory.putShort(at, (short) -1);
            RawMemory.putInt(at + 2, 0);
            RawMemory.putByte(at + 6, (byte) 0x55);
            assertThat(RawMemory.getLong(at)).isEqualTo(0x085500000000ffffL);
        }
    }

    @Test
    void orderedAccessesReadWhatWasWritten() {
        try (Mapping memory = Mapping.anonymous(4096)) {
            long at = memory.address();
            RawMemory.putShortRelease(at, (short) 0x8001);
            RawMemory.putIntRelease(at + 4, -5);
            RawMemory.putLongRelease(at + 8, -6);
            assertThat(RawMemory.getShortAcquire(at)).isEqualTo((short) 0x8001);
            assertThat(RawMemory.getIntAcquire(at + 4)).isEqualTo(-5);
            assertThat(RawMemory.getLongAcquire(at + 8)).isEqualTo(-6);
        }
    }

    @Test
    void copiesMayOverlap() {
        try (Mapping memory = Mapping.anonymous(4096)) {
            long at = memory.address();
            for (int i = 0; i < 16; i++) {
                RawMemory.putByte(at + i, (byte) i);
            }
            RawMemory.copy(at, at + 1, 16);
            assertThat(RawMemory.segment(at, 17).toArray(ValueLayout.JAVA_BYTE))
                    .containsExactly(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            RawMemory.fill(at + 1, 2, (byte) 9);
            assertThat(RawMemory.getInt(at)).isEqualTo(0x02090900);
        }
    }
}
