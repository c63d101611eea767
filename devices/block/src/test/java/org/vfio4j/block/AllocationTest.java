package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;

/** Requests allocate nothing once their path is compiled. */
class AllocationTest {

    private static final int DEPTH = 16;
    private static final int BATCHES = 2000;
    private static final int ATTEMPTS = 60;
    private static final int BLOCK = 4096;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir
    Path directory;

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "IOPOLL") // FileIopollTest
    void ofAFile(FileIoMode mode) throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[DEPTH * BLOCK]);
        assertAllocatesNothing(FileBackend.open(image, false, mode));
    }

    /** Aligned ones, so that all go past the page cache. */
    @Test
    void ofAFileThatIsUsedDirectly() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[DEPTH * BLOCK]);
        try {
            assertAllocatesNothing(FileBackend.open(image, false, FileIoMode.AUTO, FileCaching.DIRECT), 20);
        } catch (ErrnoException e) {
            abort("NOT TESTED: " + e.getMessage());
        }
    }

    @Test
    void ofMemory() {
        assertAllocatesNothing(new MemoryBackend(DEPTH * BLOCK));
    }

    @Test
    void ofStorageThatIsTracked() {
        TrackedBackend tracked = new TrackedBackend(new MemoryBackend(DEPTH * BLOCK));
        tracked.startTracking();
        assertAllocatesNothing(tracked);
    }

    private void assertAllocatesNothing(BlockBackend storage) {
        assertAllocatesNothing(storage, BATCHES);
    }

    private void assertAllocatesNothing(BlockBackend storage, int batches) {
        BlockCompletion ignore = (tag, result) -> {};
        try (storage;
                BlockQueue queue = storage.openQueue(DEPTH);
                Mapping memory = Mapping.anonymous((DEPTH + 1L) * BLOCK)) {
            long least = Long.MAX_VALUE;
            for (int attempt = 0; attempt < ATTEMPTS && least > 0; attempt++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < batches; i++) {
                    batch(queue, memory.address(), ignore);
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertThat(least).as("bytes for %d requests", batches * DEPTH).isZero();
        }
    }

    private static void batch(BlockQueue queue, long memory, BlockCompletion handler) {
        for (int tag = 0; tag < DEPTH; tag++) {
            long vector = memory + tag * IoVecs.SIZEOF;
            IoVecs.set(vector, 0, memory + (tag + 1L) * BLOCK, BLOCK);
            if ((tag & 1) == 0) {
                queue.readv((long) tag * BLOCK, vector, 1, tag);
            } else {
                queue.writev((long) tag * BLOCK, vector, 1, tag);
            }
        }
        queue.submit();
        while (queue.inFlight() > 0) {
            queue.poll(handler);
        }
    }
}
