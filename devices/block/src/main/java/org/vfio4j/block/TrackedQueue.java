package org.vfio4j.block;

import java.util.Arrays;
import java.util.function.Supplier;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MappingSet;

/** A queue that tells its {@link TrackedBackend} what was written, when it has been. */
final class TrackedQueue implements BlockQueue {

    private final BlockQueue inner;
    private final TrackedBackend backend;

    // By tag; the length is 0 for a request that writes nothing.
    private final long[] offsets;
    private final long[] lengths;

    private final BlockCompletion completion = this::complete;
    private BlockCompletion handler = (tag, result) -> {};

    TrackedQueue(BlockQueue inner, TrackedBackend backend, int depth) {
        this.inner = inner;
        this.backend = backend;
        offsets = new long[depth];
        lengths = new long[depth];
    }

    @Override
    public void readv(long offset, long iov, int iovCount, int tag) {
        inner.readv(offset, iov, iovCount, tag);
    }

    @Override
    public void writev(long offset, long iov, int iovCount, int tag) {
        note(offset, IoVecs.total(iov, iovCount), tag);
        inner.writev(offset, iov, iovCount, tag);
    }

    @Override
    public void flush(int tag) {
        inner.flush(tag);
    }

    @Override
    public void discard(long offset, long length, int tag) {
        note(offset, length, tag);
        inner.discard(offset, length, tag);
    }

    @Override
    public void writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
        note(offset, length, tag);
        inner.writeZeroes(offset, length, mayUnmap, tag);
    }

    @Override
    public boolean cancel(int tag) {
        return inner.cancel(tag);
    }

    @Override
    public void use(Supplier<MappingSet> memory) {
        inner.use(memory);
    }

    @Override
    public void submit() {
        inner.submit();
    }

    @Override
    public int poll(BlockCompletion to) {
        handler = to;
        return inner.poll(completion);
    }

    @Override
    public int inFlight() {
        return inner.inFlight();
    }

    @Override
    public void wakeBy(Fd eventFd) {
        inner.wakeBy(eventFd);
    }

    @Override
    public void arm() {
        inner.arm();
    }

    @Override
    public void disarm() {
        inner.disarm();
    }

    /** What is in flight is written, though nobody hears of its completion. */
    @Override
    public void close() {
        inner.close();
        for (int tag = 0; tag < lengths.length; tag++) {
            backend.wrote(offsets[tag], lengths[tag]);
        }
        Arrays.fill(lengths, 0);
    }

    private void note(long offset, long length, int tag) {
        offsets[tag] = offset;
        lengths[tag] = length;
    }

    /** Whatever the result: a write that has failed may have written a part. */
    private void complete(int tag, int result) {
        long length = lengths[tag];
        if (length != 0) {
            lengths[tag] = 0;
            backend.wrote(offsets[tag], length);
        }
        handler.complete(tag, result);
    }
}
