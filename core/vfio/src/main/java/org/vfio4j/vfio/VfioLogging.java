package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.E2BIG;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.EOVERFLOW;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio.FeatureDmaLoggingControl;
import org.vfio4j.uapi.Vfio.FeatureDmaLoggingReport;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/**
 * Whether an open device logs what it writes, and the features DMA_LOGGING_START, _STOP and _REPORT, with the arguments checked
 * as vfio_main.c does. Used by the user's thread.
 */
final class VfioLogging {

    /** How many ranges a user may name: as many as fit into a page. */
    static final int MAX_RANGES = 256;

    /** A log that runs: what was asked, and the page size that it has. */
    private record Running(List<Range> ranges, long askedPageBytes, long pageBytes) {}

    private final String name;
    private final VfioLoggingOps ops;
    private @Nullable IoAddressSpace space;
    private @Nullable Running running;

    /** @param name the device's, for messages */
    VfioLogging(String name, VfioLoggingOps ops) {
        this.name = name;
        this.ops = ops;
    }

    Optional<VfioDeviceFeature> feature(int index) {
        return switch (index) {
            case VFIO_DEVICE_FEATURE_DMA_LOGGING_START ->
                Optional.of(FunctionFeature.set(FeatureDmaLoggingControl.SIZEOF, this::start));
            case VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP -> Optional.of(FunctionFeature.set(0, data -> stop()));
            case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT ->
                Optional.of(FunctionFeature.get(FeatureDmaLoggingReport.SIZEOF, this::report));
            default -> Optional.empty();
        };
    }

    /** Says which memory the device has; null for none. */
    void setSpace(@Nullable IoAddressSpace newSpace) {
        space = newSpace;
    }

    boolean isRunning() {
        return running != null;
    }

    /** Ends the log, if there is one. */
    void stop() {
        if (running != null) {
            running = null;
            ops.stop();
        }
    }

    /** As {@link VfioDeviceFile#dmaUnmap(long, long, long, MemorySegment)}. */
    void unmap(IoAddressSpace from, Range map, long pageSizeBytes, MemorySegment memory) {
        Running log = running();
        DirtyBitmap bitmap = new DirtyBitmap(map, pageSizeBytes, memory);
        // Only now can the device write there no more, so that nothing is written after it has been asked for.
        from.unmap(map.iova(), map.sizeBytes());
        try {
            ops.readAndClear(map, page -> bitmap.set(page, log.pageBytes()));
        } catch (ErrnoException e) {
            // The map is gone, and with it the chance to ask again.
            bitmap.setAll();
        }
    }

    private void start(MemorySegment data) {
        long pageBytes = data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE);
        if (Long.bitCount(pageBytes) != 1) {
            throw refused(EINVAL, "page size " + Long.toUnsignedString(pageBytes) + " is no power of two");
        }
        List<Range> ranges = ranges(data, pageBytes);
        Running log = running;
        if (log == null) {
            log = new Running(ranges, pageBytes, ops.start(ranges, pageBytes));
            running = log;
        } else if (!log.ranges().equals(ranges)
                || (pageBytes != log.askedPageBytes() && pageBytes != log.pageBytes())) {
            throw refused(EINVAL, "a log runs already, with other ranges or another page size");
        }
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, log.pageBytes());
    }

    private List<Range> ranges(MemorySegment data, long pageBytes) {
        long count = Integer.toUnsignedLong(data.get(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES));
        if (count > MAX_RANGES) {
            throw refused(E2BIG, count + " ranges, the limit is " + MAX_RANGES);
        }
        long needed = FeatureDmaLoggingControl.RANGES + count * FeatureDmaLoggingControl.RANGE_SIZEOF;
        if (data.byteSize() < needed) {
            throw refused(EINVAL, data.byteSize() + " bytes of data, " + needed + " needed");
        }
        List<Range> ranges = new ArrayList<>();
        for (long at = FeatureDmaLoggingControl.RANGES; at < needed; at += FeatureDmaLoggingControl.RANGE_SIZEOF) {
            Range range = new Range(
                    data.get(JAVA_LONG_UNALIGNED, at + FeatureDmaLoggingControl.RANGE_IOVA),
                    data.get(JAVA_LONG_UNALIGNED, at + FeatureDmaLoggingControl.RANGE_LENGTH));
            if (range.sizeBytes() == 0 || ((range.iova() | range.sizeBytes()) & (pageBytes - 1)) != 0) {
                throw refused(EINVAL, range + " is not made of pages of " + pageBytes + " bytes");
            }
            if (Long.compareUnsigned(range.last(), range.iova()) < 0) {
                throw refused(EOVERFLOW, range + " goes past the end of the address space");
            }
            ranges.add(range);
        }
        ranges.sort(Comparator.comparing(Range::iova, Long::compareUnsigned));
        for (int i = 1; i < ranges.size(); i++) {
            if (Long.compareUnsigned(ranges.get(i).iova(), ranges.get(i - 1).last()) <= 0) {
                throw refused(EINVAL, ranges.get(i - 1) + " and " + ranges.get(i) + " overlap");
            }
        }
        return ranges;
    }

    private int report(MemorySegment data) {
        Range range = new Range(
                data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.IOVA),
                data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.LENGTH));
        long pageBytes = data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.PAGE_SIZE);
        Running log = running();
        DirtyBitmap bitmap = new DirtyBitmap(range, pageBytes, data.asSlice(FeatureDmaLoggingReport.BITMAP));
        ops.readAndClear(range, page -> bitmap.set(page, log.pageBytes()));
        IoAddressSpace attached = space;
        if (bitmap.isEmpty() && (attached == null || !attached.overlaps(range.iova(), range.sizeBytes()))) {
            throw refused(ENOENT, range + " is not mapped, and nothing was written there");
        }
        return FeatureDmaLoggingReport.SIZEOF + Math.toIntExact(bitmap.byteSize());
    }

    private Running running() {
        Running log = running;
        if (log == null) {
            throw refused(EINVAL, "none runs");
        }
        return log;
    }

    private ErrnoException refused(int errno, String why) {
        return new ErrnoException(errno, name + ": log of DMA writes: " + why);
    }
}
