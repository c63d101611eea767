package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.vfio4j.sys.Errno.EFAULT;
import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MappingSet;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;

/**
 * A file's queue that pins the memory of its requests. Whether a request uses a registered buffer shows when a hole is punched into the
 * memory: the ring keeps the old pages, which nobody sees any more.
 */
class FilePinTest {

    private static final int BLOCK = 4096;
    private static final int BLOCKS = 256;
    private static final long MIB = 1 << 20;
    private static final int DEPTH = 32;

    @TempDir
    Path directory;

    private final Mapping vectors = Mapping.anonymous(BLOCK);
    private MappingSet memory = MappingSet.EMPTY;
    private FileBackend file;
    private BlockQueue queue;

    @BeforeEach
    void open() throws Exception {
        byte[] content = new byte[BLOCKS * BLOCK];
        new Random(52).nextBytes(content);
        Files.write(directory.resolve("disk.img"), content);
        use(FileCaching.PAGE_CACHE);
    }

    @AfterEach
    void close() {
        if (queue == null) {
            return; // no io_uring here
        }
        queue.close();
        file.close();
        vectors.close();
    }

    @Test
    void refusesAFileThatIsUsedWithoutIoUring() throws Exception {
        Path other = Files.write(directory.resolve("other.img"), new byte[BLOCK]);
        try (FileBackend sync = FileBackend.open(other, false, FileIoMode.SYNC)) {
            assertThat(catchThrowableOfType(ErrnoException.class, sync::pinMemory))
                    .hasMessageContaining("other.img, which is used without io_uring")
                    .extracting(ErrnoException::errno)
                    .isEqualTo(EINVAL);
        }
    }

    /** Pages that cannot be written cannot be pinned. A request to them goes on, and so does all other memory as it is. */
    @Test
    void memoryThatCannotBePinnedIsUsedAsAnyOther() throws Exception {
        try (Fd image = MemFd.create("readable", 2 * MIB);
                Mapping readable = Mapping.shared(image, 0, 2 * MIB, Mapping.PROT_READ);
                Mapping guest = guest(2)) {
            memory = MappingSet.EMPTY.plus(readable).plus(guest);
            assertThat(write(3, readable.address())).isEqualTo(BLOCK);
            assertThat(file.describe()).contains("0 MiB pinned, no more: EFAULT");
            assertThat(isReadInto(guest, 0)).isTrue();
            assertThat(file.describe()).contains("0 MiB pinned, no more: EFAULT");
        }
    }

    @Test
    void whatWasRefusedIsOverWithItsMemory() throws Exception {
        try (Fd image = MemFd.create("readable", 2 * MIB);
                Mapping readable = Mapping.shared(image, 0, 2 * MIB, Mapping.PROT_READ);
                Mapping guest = guest(2)) {
            memory = MappingSet.EMPTY.plus(readable).plus(guest);
            write(3, readable.address());
            memory = MappingSet.EMPTY.plus(guest);
            assertThat(isReadInto(guest, 0)).isTrue();
            assertThat(file.describe()).contains("2 MiB pinned").doesNotContain("no more");
            memory = memory.plus(readable);
            write(3, readable.address());
            assertThat(file.describe()).contains("2 MiB pinned, no more: EFAULT");
            memory = MappingSet.EMPTY.plus(readable);
            write(3, readable.address());
            assertThat(file.describe())
                    .as("tried again when there was more room")
                    .contains("0 MiB pinned, no more: EFAULT");
        }
    }

    @Test
    void whatWasRefusedIsOverWithItsQueue() throws Exception {
        try (Fd image = MemFd.create("readable", 2 * MIB);
                Mapping readable = Mapping.shared(image, 0, 2 * MIB, Mapping.PROT_READ)) {
            memory = MappingSet.EMPTY.plus(readable);
            write(3, readable.address());
            BlockQueue first = queue;
            queue = file.openQueue(DEPTH);
            queue.use(() -> memory);
            write(3, readable.address());
            first.close();
            assertThat(file.describe()).contains("no more: EFAULT");
            queue.close();
            assertThat(file.describe()).endsWith(", pin)");
            queue = file.openQueue(DEPTH);
        }
    }

    /** Of a client that is trusted not to do that. What is gone when it would be pinned is an error, as it is without. */
    @ParameterizedTest
    @EnumSource(FileCaching.class)
    void memoryThatWasTruncatedIsAnErrorAndNoMore(FileCaching caching) {
        queue.close();
        file.close();
        use(caching);
        try (Fd image = MemFd.create("guest", 2 * MIB);
                Mapping gone = Mapping.shared(image, 0, 2 * MIB, Mapping.PROT_READ | Mapping.PROT_WRITE);
                Mapping guest = guest(2)) {
            FileIo.truncate(image, 0);
            memory = MappingSet.EMPTY.plus(gone).plus(guest);
            assertThat(read(3, gone.address())).isEqualTo(-EFAULT);
            assertThat(write(3, gone.address())).isEqualTo(-EFAULT);
            assertThat(file.describe()).contains("0 MiB pinned, no more: EFAULT");
            assertThat(isReadInto(guest, 0)).isTrue();
        }
    }

    /** The pages stay, and are nobody's but the disk's. */
    @Test
    void memoryThatIsTruncatedWhileItIsPinnedGoesOnToBeUsed() {
        try (Fd image = MemFd.create("guest", 2 * MIB);
                Mapping guest = Mapping.shared(image, 0, 2 * MIB, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            memory = MappingSet.EMPTY.plus(guest);
            RawMemory.fill(guest.address(), BLOCK, (byte) 7);
            assertThat(isReadInto(guest, BLOCK)).isTrue();
            FileIo.truncate(image, 0);
            assertThat(write(3, guest.address())).isEqualTo(BLOCK);
            assertThat(block(3)).containsOnly((byte) 7);
            assertThat(read(4, guest.address())).isEqualTo(BLOCK);
            FileIo.truncate(image, 2 * MIB);
            assertThat(guest.segment().asSlice(0, BLOCK).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE))
                    .as("the client's new page")
                    .containsOnly((byte) 0);
            assertThat(pinnedMiB()).isEqualTo(2);
        }
    }

    @ParameterizedTest
    @EnumSource(FileCaching.class)
    void requestsInMemoryThatIsKnownUseRegisteredBuffers(FileCaching caching) {
        queue.close();
        file.close();
        use(caching);
        try (Mapping guest = guest(4)) {
            memory = MappingSet.EMPTY.plus(guest);
            assertThat(file.describe()).contains(", pin");
            assertThat(isReadInto(guest, 0)).isTrue();
            assertThat(isReadInto(guest, 4 * MIB - BLOCK)).isTrue();
            assertThat(file.describe()).contains("4 MiB pinned");
            assertThat(pinnedMiB()).isEqualTo(4);
            guest.discard(0, 4 * MIB);
            assertThat(isReadInto(guest, 0))
                    .as("into pages that are the file's no more")
                    .isFalse();
            queue.close();
            assertThat(pinnedMiB()).isZero();
            assertThat(file.describe()).contains(", pin");
            queue = file.openQueue(DEPTH);
        }
    }

    @Test
    void writesComeFromRegisteredBuffersToo() {
        try (Mapping guest = guest(2)) {
            memory = MappingSet.EMPTY.plus(guest);
            RawMemory.fill(guest.address(), BLOCK, (byte) 7);
            assertThat(write(0, guest.address())).isEqualTo(BLOCK);
            guest.discard(0, 2 * MIB);
            assertThat(write(1, guest.address())).isEqualTo(BLOCK);
            assertThat(block(0)).containsOnly((byte) 7);
            assertThat(block(1)).as("what was there").containsOnly((byte) 7);
        }
    }

    @Test
    void otherMemoryIsNotPinned() {
        try (Mapping guest = guest(2);
                Mapping other = guest(2)) {
            memory = MappingSet.EMPTY.plus(guest);
            assertThat(isReadInto(other, 0)).isTrue();
            other.discard(0, 2 * MIB);
            assertThat(isReadInto(other, 0)).isTrue();
            assertThat(pinnedMiB()).isZero();
        }
    }

    /** The kernel gives an address again at once: what is registered there must not be what was there before. */
    @Test
    void memoryThatComesToTheSameAddressIsOtherMemory() {
        int again = 0;
        long before = 0;
        for (int i = 0; i < 64; i++) {
            try (Mapping guest = guest(2)) {
                again += guest.address() == before ? 1 : 0;
                before = guest.address();
                memory = MappingSet.EMPTY.plus(guest);
                assertThat(isReadInto(guest, (long) i * BLOCK)).isTrue();
                assertThat(pinnedMiB()).isEqualTo(2);
            }
        }
        assertThat(again).isPositive();
        memory = MappingSet.EMPTY;
        try (Mapping own = guest(2)) {
            assertThat(isReadInto(own, 0)).isTrue();
            assertThat(pinnedMiB()).isZero();
        }
    }

    @Test
    void memoryComesAndGoesWhileOtherRequestsAreInFlight() {
        Random random = new Random(2311);
        List<Mapping> guests = new ArrayList<>();
        try (Mapping stays = guest(2)) {
            for (int round = 0; round < 300; round++) {
                for (int tag = 0; tag < DEPTH; tag++) {
                    start(true, tag, stays.address() + (long) tag * BLOCK, tag);
                }
                queue.submit();
                if (guests.size() < 8 && random.nextBoolean()) {
                    guests.add(guest(2));
                } else if (!guests.isEmpty()) {
                    guests.remove(random.nextInt(guests.size())).close();
                }
                MappingSet next = MappingSet.EMPTY.plus(stays);
                for (Mapping guest : guests) {
                    next = next.plus(guest);
                }
                memory = next;
                assertThat(finish())
                        .hasSize(DEPTH)
                        .allSatisfy((tag, result) -> assertThat(result).isEqualTo(BLOCK));
                for (Mapping guest : guests) {
                    assertThat(isReadInto(guest, BLOCK * (long) random.nextInt(512)))
                            .isTrue();
                }
            }
            guests.forEach(Mapping::close);
        }
    }

    @Test
    void aRangeThatIsNotInOnePieceIsReadAllTheSame() {
        try (Mapping guest = guest(1024 + 2)) {
            memory = MappingSet.EMPTY.plus(guest);
            assertThat(isReadInto(guest, 1024 * MIB)).isTrue();
            assertThat(pinnedMiB()).as("the second piece alone").isEqualTo(2);
            assertThat(isReadInto(guest, 1024 * MIB - BLOCK / 2)).isTrue();
            assertThat(pinnedMiB()).isEqualTo(2);
        }
    }

    private void use(FileCaching caching) {
        try {
            file = FileBackend.open(directory.resolve("disk.img"), false, FileIoMode.URING, caching);
        } catch (ErrnoException e) {
            abort("NOT TESTED: " + e.getMessage());
        }
        file.pinMemory();
        queue = file.openQueue(DEPTH);
        queue.use(() -> memory);
    }

    private static Mapping guest(long mib) {
        try (Fd fd = MemFd.create("guest", mib * MIB)) {
            return Mapping.shared(fd, 0, mib * MIB, Mapping.PROT_READ | Mapping.PROT_WRITE);
        }
    }

    /** Reads a block to there, and says whether it is there afterwards. */
    private boolean isReadInto(Mapping guest, long offset) {
        int block = (int) (offset / BLOCK) % BLOCKS;
        start(true, block, guest.address() + offset, 0);
        assertThat(finish()).isEqualTo(Map.of(0, BLOCK));
        return guest.segment().asSlice(offset, BLOCK).mismatch(java.lang.foreign.MemorySegment.ofArray(block(block)))
                < 0;
    }

    private int read(int block, long to) {
        start(true, block, to, 0);
        return finish().get(0);
    }

    private int write(int block, long from) {
        start(false, block, from, 0);
        return finish().get(0);
    }

    private void start(boolean reads, int block, long at, int tag) {
        long vector = vectors.address() + (long) tag * IoVecs.SIZEOF;
        IoVecs.set(vector, 0, at, BLOCK);
        if (reads) {
            queue.readv((long) block * BLOCK, vector, 1, tag);
        } else {
            queue.writev((long) block * BLOCK, vector, 1, tag);
        }
    }

    private Map<Integer, Integer> finish() {
        Map<Integer, Integer> results = new HashMap<>();
        queue.submit();
        while (queue.inFlight() > 0) {
            queue.poll(results::put);
        }
        return results;
    }

    private byte[] block(int block) {
        try (Fd data = file.openData(false);
                Mapping content = Mapping.shared(data, 0, (long) BLOCKS * BLOCK, Mapping.PROT_READ)) {
            return content.segment()
                    .asSlice((long) block * BLOCK, BLOCK)
                    .toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
        }
    }

    private static long pinnedMiB() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith("VmPin:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) >> 10)
                    .sum();
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }
}
