package org.vfio4j.vfio;

import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DirtyLog;

/**
 * Logging for every device whose writes go through the windows of an {@link IoAddressSpace}, as those of emulated functions do:
 * a driver gives it to VFIO and tells it the space. It logs all addresses, whatever ranges are asked: more than asked is no
 * mistake. Pages are as large as the user would like, but not smaller than 4 KiB. Used by the user's thread.
 */
public final class IoasLogging implements VfioLoggingOps {

    private static final long MIN_PAGE_BYTES = 4096;

    private @Nullable IoAddressSpace space;
    private @Nullable DirtyLog log;

    /** The device masters this memory from now on; before the device knows it. */
    public void attach(IoAddressSpace newSpace) {
        space = newSpace;
        if (log != null) {
            newSpace.addLog(log);
        }
    }

    /** The device masters no memory any more. What it has written stays in a log that runs. */
    public void detach() {
        if (space != null && log != null) {
            space.removeLog(log);
        }
        space = null;
    }

    /** {@inheritDoc} Waits for the windows of the space to leave. */
    @Override
    public long start(List<Range> ranges, long pageSizeBytes) {
        long pageBytes = Long.compareUnsigned(pageSizeBytes, MIN_PAGE_BYTES) < 0 ? MIN_PAGE_BYTES : pageSizeBytes;
        DirtyLog begun = new DirtyLog(pageBytes);
        log = begun;
        if (space != null) {
            space.addLog(begun);
        }
        return pageBytes;
    }

    @Override
    public void stop() {
        if (space != null && log != null) {
            space.removeLog(log);
        }
        log = null;
    }

    @Override
    public void readAndClear(Range range, LongConsumer dirtyPage) {
        DirtyLog running = log;
        if (running != null) {
            running.readAndClear(range.iova(), range.last(), dirtyPage);
        }
    }
}
