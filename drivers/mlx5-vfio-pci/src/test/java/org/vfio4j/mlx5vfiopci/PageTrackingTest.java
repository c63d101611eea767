package org.vfio4j.mlx5vfiopci;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/** What a disk writes is told page by page, whatever ranges and pages are asked. */
class PageTrackingTest {

    private static final long IOVA = VirtioBlkOptions.DEFAULTS.iova();
    private static final int PAGE = 4096;
    private static final int PAGES = 1024;

    @ParameterizedTest
    @ValueSource(ints = {4096, 8192, 65536})
    void tellsTheBuffersThatWereReadIntoAndNoOthers(int pageBytes) {
        try (MemoryBackend storage = new MemoryBackend(1 << 20);
                Host host = new Host()) {
            host.addDisk(storage);
            VfioDeviceFile file = host.open();
            try (VirtioBlkDriver driver = VirtioBlkDriver.open(
                    file, VirtioBlkOptions.DEFAULTS.withQueues(1).withInterrupts(false))) {
                long buffers = driver.memory().allocate((long) PAGE * PAGES / 2, 65536);
                List<Range> asked = List.of(new Range(IOVA, (long) PAGE * PAGES));
                start(file, PAGE, asked);
                long first = offsetOf(driver, file, buffers);
                stop(file);
                start(file, pageBytes, asked);
                BitSet expected = new BitSet();
                Random random = new Random(9);
                for (int i = 0; i < 20; i++) {
                    int at = random.nextInt(PAGES / 2);
                    read(driver.queue(0), buffers + (long) at * PAGE);
                    expected.set((int) ((first + (long) at * PAGE) / pageBytes));
                }
                // Rings and status bytes lie before the buffers.
                int before = (int) (first / pageBytes) + 1;
                assertThat(behind(before, report(file, pageBytes))).isEqualTo(behind(before, expected));
                assertThat(behind(before, expected).cardinality()).isGreaterThan(5);
                assertThat(behind(before, report(file, pageBytes)).isEmpty()).isTrue();
                stop(file);
            }
        }
    }

    @Test
    void tellsNothingOfWhatWasNotAskedFor() {
        try (MemoryBackend storage = new MemoryBackend(1 << 20);
                Host host = new Host()) {
            host.addDisk(storage);
            VfioDeviceFile file = host.open();
            try (VirtioBlkDriver driver = VirtioBlkDriver.open(
                    file, VirtioBlkOptions.DEFAULTS.withQueues(1).withInterrupts(false))) {
                start(file, PAGE, List.of(new Range(IOVA + (1L << 40), PAGE)));
                read(driver.queue(0), driver.memory().allocate(PAGE, PAGE));
                assertThat(report(file, PAGE).isEmpty()).isTrue();
                stop(file);
                start(file, PAGE, List.of());
                read(driver.queue(0), driver.memory().allocate(PAGE, PAGE));
                assertThat(report(file, PAGE).isEmpty()).isFalse();
            }
        }
    }

    /** Where the driver's memory at {@code offset} is for the device, from IOVA on: found by having the device write there. */
    private static long offsetOf(VirtioBlkDriver driver, VfioDeviceFile file, long offset) {
        read(driver.queue(0), offset);
        return (report(file, PAGE).length() - 1L) * PAGE;
    }

    private static BitSet behind(int page, BitSet pages) {
        pages.clear(0, page);
        return pages;
    }

    private static void read(VirtioBlkQueue queue, long buffer) {
        assertThat(queue.read(0, buffer, PAGE, 0)).isTrue();
        queue.kick();
        int[] result = {1};
        while (queue.poll((tag, outcome) -> result[0] = outcome) == 0) {
            Thread.yield();
        }
        assertThat(result[0]).isZero();
    }

    private static void start(VfioDeviceFile file, int pageBytes, List<Range> ranges) {
        int size = FeatureDmaLoggingControl.RANGES + ranges.size() * FeatureDmaLoggingControl.RANGE_SIZEOF;
        MemorySegment data = MemorySegment.ofArray(new byte[size]);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, pageBytes);
        data.set(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES, ranges.size());
        long at = FeatureDmaLoggingControl.RANGES;
        for (Range range : ranges) {
            data.set(JAVA_LONG_UNALIGNED, at + FeatureDmaLoggingControl.RANGE_IOVA, range.iova());
            data.set(JAVA_LONG_UNALIGNED, at + FeatureDmaLoggingControl.RANGE_LENGTH, range.sizeBytes());
            at += FeatureDmaLoggingControl.RANGE_SIZEOF;
        }
        file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data);
        assertThat(data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE))
                .isEqualTo(pageBytes);
    }

    private static void stop(VfioDeviceFile file) {
        file.feature(
                VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, MemorySegment.ofArray(new byte[0]));
    }

    private static BitSet report(VfioDeviceFile file, int pageBytes) {
        int bits = PAGES * PAGE / pageBytes;
        int bitmapBytes = (bits + 63) / 64 * 8;
        MemorySegment data = MemorySegment.ofArray(new byte[FeatureDmaLoggingReport.BITMAP + bitmapBytes]);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.IOVA, IOVA);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.LENGTH, (long) PAGES * PAGE);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.PAGE_SIZE, pageBytes);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data);
        byte[] bitmap = data.asSlice(FeatureDmaLoggingReport.BITMAP).toArray(JAVA_BYTE);
        return BitSet.valueOf(bitmap);
    }
}
