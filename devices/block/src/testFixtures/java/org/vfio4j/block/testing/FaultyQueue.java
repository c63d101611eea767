package org.vfio4j.block.testing;

import static org.vfio4j.sys.Errno.ECANCELED;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.RawMemory;

/** A queue of a {@link FaultyBackend}: belongs to its thread, but for {@link #release} and {@link #stalled}. */
final class FaultyQueue implements BlockQueue {

    private static final long IOVEC_SIZEOF = 16;

    private record Completion(int tag, int result) {}

    private final FaultyBackend backend;
    private final BlockQueue inner;
    private final ArrayDeque<Completion> ready = new ArrayDeque<>();
    private final Map<Integer, Runnable> stalled = new HashMap<>();
    private final Set<Integer> stuck = new HashSet<>();
    private final Set<Integer> falling = new HashSet<>();

    private volatile int stalledCount;
    private volatile boolean released;
    private volatile boolean armed;
    private volatile @Nullable Fd eventFd;

    FaultyQueue(FaultyBackend backend, BlockQueue inner) {
        this.backend = backend;
        this.inner = inner;
    }

    @Override
    public void readv(long offset, long iov, int iovCount, int tag) {
        start(false, offset, total(iov, iovCount), tag, () -> inner.readv(offset, iov, iovCount, tag));
    }

    @Override
    public void writev(long offset, long iov, int iovCount, int tag) {
        start(true, offset, total(iov, iovCount), tag, () -> inner.writev(offset, iov, iovCount, tag));
    }

    @Override
    public void flush(int tag) {
        start(false, 0, backend.sizeBytes(), tag, () -> inner.flush(tag));
    }

    @Override
    public void discard(long offset, long length, int tag) {
        start(true, offset, length, tag, () -> inner.discard(offset, length, tag));
    }

    @Override
    public void writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
        start(true, offset, length, tag, () -> inner.writeZeroes(offset, length, mayUnmap, tag));
    }

    @Override
    public boolean cancel(int tag) {
        if (stuck.contains(tag) || stalled.remove(tag) == null) {
            return false;
        }
        stalledCount = stalled.size();
        ready.add(new Completion(tag, -ECANCELED));
        return true;
    }

    @Override
    public void submit() {
        inner.submit();
    }

    @Override
    public int poll(BlockCompletion handler) {
        if (released) {
            released = false;
            stalled.values().forEach(Runnable::run);
            stalled.clear();
            stuck.clear();
            stalledCount = 0;
            inner.submit();
        }
        inner.poll((tag, result) ->
                ready.add(new Completion(tag, falling.remove(tag) ? result / 2 & -BlockBackend.SECTOR_BYTES : result)));
        int delivered = 0;
        while (!ready.isEmpty() && delivered < backend.completionsAtATime()) {
            Completion completion = ready.remove();
            handler.complete(completion.tag, completion.result);
            delivered++;
        }
        return delivered;
    }

    @Override
    public int inFlight() {
        return inner.inFlight() + stalled.size() + ready.size();
    }

    @Override
    public void wakeBy(Fd eventFd) {
        this.eventFd = eventFd;
        inner.wakeBy(eventFd);
    }

    @Override
    public void arm() {
        armed = true;
        inner.arm();
        if (released || !ready.isEmpty()) {
            signal();
        }
    }

    @Override
    public void disarm() {
        armed = false;
        inner.disarm();
    }

    @Override
    public void close() {
        while (inFlight() > 0) {
            poll((tag, result) -> {});
            Thread.yield();
        }
        inner.close();
        eventFd = null;
        backend.closed(this);
    }

    void release() {
        released = true;
        if (armed) {
            signal();
        }
    }

    int stalled() {
        return stalledCount;
    }

    private void signal() {
        Fd fd = eventFd;
        if (fd != null) {
            EventFd.signal(fd.value());
        }
    }

    private void start(boolean write, long offset, long length, int tag, Runnable request) {
        Optional<Fault> fault = backend.fault(write, offset, length);
        if (fault.isEmpty()) {
            request.run();
            return;
        }
        switch (fault.get()) {
            case Fault.Fails fails -> ready.add(new Completion(tag, -fails.errno()));
            case Fault.Full full -> ready.add(new Completion(tag, -full.errno()));
            case Fault.FallsShort ignored -> {
                falling.add(tag);
                request.run();
            }
            case Fault.Stalls ignored -> stall(tag, request);
            case Fault.Sticks ignored -> {
                stuck.add(tag);
                stall(tag, request);
            }
        }
    }

    private void stall(int tag, Runnable request) {
        stalled.put(tag, request);
        stalledCount = stalled.size();
    }

    private static long total(long iov, int count) {
        long total = 0;
        for (int i = 0; i < count; i++) {
            total += RawMemory.getLong(iov + i * IOVEC_SIZEOF + Long.BYTES);
        }
        return total;
    }
}
