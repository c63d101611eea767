package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.testkit.DeviceUnderTest.expect;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;

/** DMA logging: DMA_LOGGING_START, _REPORT and _STOP of linux/vfio.h, laid out as vfio-user does. */
final class LoggingRules {

    private static final long PAGE = 4096;
    private static final long IOVA = 0x10_0000;
    private static final int PAGES = 64;
    private static final int REPORT_HEADER = 24;

    private LoggingRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("logging.startRefusesPageSizesThatAreNone", LoggingRules::pageSizes);
        rules.accept("logging.startRefusesRangesThatOverlap", LoggingRules::overlap);
        rules.accept("logging.reportRefusesPageSizesThatAreNone", LoggingRules::reportPageSizes);
        rules.accept("logging.memoryThatNobodyWroteIsClean", LoggingRules::clean);
    }

    private static void pageSizes(DeviceUnderTest device) {
        applicable(device);
        for (long size : new long[] {0, 3, 4097}) {
            expectErrno(
                    "logging with a page size of " + size,
                    () -> start(
                            device,
                            new Payload().u64(size).u32(1).u32(0).u64(IOVA).u64(PAGES * PAGE)),
                    EINVAL);
        }
    }

    private static void overlap(DeviceUnderTest device) {
        applicable(device);
        Payload ranges = new Payload().u64(PAGE).u32(2).u32(0);
        ranges.u64(IOVA).u64(2 * PAGE).u64(IOVA + PAGE).u64(2 * PAGE);
        expectErrno("logging of two ranges that overlap", () -> start(device, ranges), EINVAL);
    }

    private static void reportPageSizes(DeviceUnderTest device) {
        applicable(device);
        logged(device, () -> {
            for (long size : new long[] {0, 3, 4097}) {
                expectErrno("a report with a page size of " + size, () -> report(device, size), EINVAL);
            }
        });
    }

    private static void clean(DeviceUnderTest device) {
        applicable(device);
        logged(device, () -> {
            byte[] bitmap = report(device, PAGE);
            for (byte bits : bitmap) {
                expect(bits == 0, "memory that the device did not write is reported as written");
            }
        });
    }

    private static void logged(DeviceUnderTest device, Runnable body) {
        try (Fd memory = MemFd.create("conformance", PAGES * PAGE)) {
            device.file().dmaMap(IOVA, PAGES * PAGE, DmaSpace.READ | DmaSpace.WRITE, memory, 0);
            start(device, new Payload().u64(PAGE).u32(1).u32(0).u64(IOVA).u64(PAGES * PAGE));
            body.run();
            feature(device, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, new byte[0]);
            device.file().dmaUnmap(IOVA, PAGES * PAGE);
        }
    }

    private static void start(DeviceUnderTest device, Payload payload) {
        feature(device, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, payload.toBytes());
    }

    private static byte[] report(DeviceUnderTest device, long pageSize) {
        byte[] data = new Payload()
                .u64(IOVA)
                .u64(PAGES * PAGE)
                .u64(pageSize)
                .bytes(new byte[PAGES / 8])
                .toBytes();
        feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data);
        return java.util.Arrays.copyOfRange(data, REPORT_HEADER, data.length);
    }

    private static void feature(DeviceUnderTest device, int flags, byte[] data) {
        FeatureRules.feature(device, flags, MemorySegment.ofArray(data));
    }

    private static void applicable(DeviceUnderTest device) {
        device.applicable(FeatureRules.has(device, VFIO_DEVICE_FEATURE_DMA_LOGGING_START));
    }
}
