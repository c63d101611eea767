package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.READ;
import static org.vfio4j.nvmedriver.NvmeCommand.WRITE;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.GuestMemory;

/** A controller on a file that pins its driver's memory: data are right whatever that memory does, and nothing stays pinned. */
class PinnedMemoryTest {

    private static final int PAGE = 4096;
    private static final int PAGES = (int) (NvmeFixture.DISK_BYTES / PAGE);
    private static final int BLOCKS_OF_PAGE = PAGE / NvmeFixture.BLOCK;
    private static final long FIRST_HALF_MIB = 16;
    private static final long DATA = 0x9_0000_0000L;
    private static final long DATA_BYTES = 2 << 20;

    @TempDir
    Path directory;

    private final byte[] content = new byte[(int) NvmeFixture.DISK_BYTES];
    private final Random random = new Random(52);
    private NvmeFixture fixture;
    private FileBackend file;

    @BeforeEach
    void start() throws Exception {
        random.nextBytes(content);
        file = FileBackend.open(Files.write(directory.resolve("disk.img"), content), false, FileIoMode.AUTO);
        file.pinMemory();
        start(QueuePolling.ADAPTIVE);
    }

    @AfterEach
    void nothingStaysPinned() throws Exception {
        fixture.close();
        assertThat(pinnedMiB()).isZero();
    }

    @Test
    void readsWhatItWrote() throws Exception {
        long data = fixture.pages(1);
        for (int i = 0; i < 64; i++) {
            fixture.memory.fill(data, PAGE, i + 1);
            assertThat(transfer(WRITE, i, data)).isZero();
        }
        for (int i = 0; i < 64; i++) {
            assertThat(transfer(READ, i, data)).isZero();
            assertThat(fixture.memory.get(data, PAGE)).containsOnly((byte) (i + 1));
        }
        assertThat(pinnedMiB()).isEqualTo(FIRST_HALF_MIB);
    }

    /** One that polls for ever never ends its thread, which has what is pinned. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void nothingIsPinnedWhenTheDriverIsGone(boolean always) throws Exception {
        restart(always ? QueuePolling.ALWAYS : QueuePolling.NEVER);
        assertThat(transfer(READ, 0, fixture.pages(1))).isZero();
        assertThat(pinnedMiB()).isEqualTo(FIRST_HALF_MIB);
        fixture.nvme.function().detachDma();
        assertThat(pinnedMiB()).isZero();
        fixture.nvme.function().attachDma(fixture.memory.space());
        assertThat(transfer(READ, 1, fixture.pages(1))).isZero();
        assertThat(pinnedMiB()).isEqualTo(FIRST_HALF_MIB);
    }

    @Test
    void nothingIsPinnedWhenTheThreadHasEnded() throws Exception {
        restart(new QueuePolling(0, 10_000_000));
        assertThat(transfer(READ, 0, fixture.pages(1))).isZero();
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (pinnedMiB() != 0) {
            assertThat(System.nanoTime()).isLessThan(deadline);
        }
    }

    /** A command that a map's end meets has its data in that map's memory, and not in the next one's, which has its address in this process. */
    @Test
    void memoryThatComesAndGoesUnderCommandsHasItsOwnData() throws Exception {
        int moved = 0;
        for (int round = 0; round < 200; round++) {
            try (Fd memory = MemFd.create("data", DATA_BYTES);
                    Mapping own = map(memory)) {
                fixture.memory.space().map(DATA, GuestMemory.READ_WRITE, map(memory));
                int first = random.nextInt(PAGES - 32);
                NvmeQueue io = fixture.io;
                int[] cids = new int[32];
                for (int i = 0; i < cids.length; i++) {
                    cids[i] = io.put(command(READ, first + i, DATA + (long) i * PAGE));
                }
                io.ring();
                if (round % 2 == 0) {
                    moved += awaitAll(own, first, cids);
                    fixture.memory.space().unmap(DATA, DATA_BYTES);
                } else {
                    fixture.memory.space().unmap(DATA, DATA_BYTES);
                    moved += awaitAll(own, first, cids);
                }
            }
        }
        assertThat(moved).isGreaterThanOrEqualTo(100 * 32);
        assertThat(transfer(READ, 0, fixture.pages(1))).isZero();
        assertThat(pinnedMiB()).isEqualTo(FIRST_HALF_MIB);
    }

    /** Bounce buffers may get the address of memory that was pinned. */
    @Test
    void commandsThatAreServedSlowlyAreRightAfterMemoryHasGone() throws Exception {
        for (int round = 0; round < 20; round++) {
            try (Fd memory = MemFd.create("data", DATA_BYTES)) {
                fixture.memory.space().map(DATA, GuestMemory.READ_WRITE, map(memory));
                assertThat(transfer(READ, round, DATA)).isZero();
                fixture.memory.space().unmap(DATA, DATA_BYTES);
            }
            long data = round % 2 == 0 ? fixture.remotePages(1) : fixture.pages(1);
            assertThat(transfer(READ, round, data)).isZero();
            assertThat(fixture.memory.get(data, PAGE)).isEqualTo(page(round));
        }
    }

    private void start(QueuePolling polling) {
        fixture = new NvmeFixture(file, builder -> builder.poll(polling)).start();
    }

    private void restart(QueuePolling polling) {
        fixture.nvme.function().detachDma();
        fixture.nvme.close();
        fixture.memory.close();
        start(polling);
    }

    /** How many commands had their data moved; those are where they belong. */
    private int awaitAll(Mapping own, int first, int[] cids) {
        int moved = 0;
        for (int i = 0; i < cids.length; i++) {
            var completion = fixture.io.await();
            if (completion.status() == 0) {
                int at = java.util.stream.IntStream.range(0, cids.length)
                        .filter(j -> cids[j] == completion.cid())
                        .findFirst()
                        .orElseThrow();
                MemorySegment read = own.segment().asSlice((long) at * PAGE, PAGE);
                assertThat(read.mismatch(MemorySegment.ofArray(page(first + at))))
                        .isNegative();
                moved++;
            }
        }
        return moved;
    }

    private int transfer(int opcode, int page, long data) {
        return fixture.io.run(command(opcode, page, data)).status();
    }

    private static NvmeCommand command(int opcode, int page, long data) {
        return NvmeCommand.io(opcode, 1, (long) page * BLOCKS_OF_PAGE, BLOCKS_OF_PAGE)
                .prp(data, 0);
    }

    private byte[] page(int page) {
        return java.util.Arrays.copyOfRange(content, page * PAGE, (page + 1) * PAGE);
    }

    private static Mapping map(Fd memory) {
        return Mapping.shared(memory, 0, DATA_BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE);
    }

    private static long pinnedMiB() throws Exception {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmPin:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) >> 10)
                .sum();
    }
}
