package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EROFS;

import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.IoUring;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MappingSet;

/**
 * A file's queue on io_uring. A request's tag is its user data and its place in the arrays that remember it, so that a short
 * transfer can go on. The ring has a place for every tag: preparing never fails.
 *
 * <p>Direct reads and writes may have a ring of their own, whose completions are found by polling the device. Everything else (the page
 * cache, flush, discard, zeroes) is none of that ring's operations and goes through the ordinary one.
 */
final class UringQueue implements BlockQueue, IoUring.CompletionHandler {

    private static final byte READ = 0;
    private static final byte WRITE = 1;
    private static final byte FLUSH = 2;
    private static final byte DISCARD = 3;
    private static final byte ZERO = 4;
    private static final byte UNMAP_ZERO = 5;

    /** Zeroes as data, piece by piece, where the file system makes none. */
    private static final byte WRITE_ZERO = 6;

    // Places in the ring's table of files.
    private static final int CACHED = 0;
    private static final int DIRECT = 1;

    // The kernel's limit on one request, UIO_MAXIOV.
    private static final int MAX_IOVS = 1024;

    private static final BlockCompletion DROP = (tag, result) -> {};

    private final FileTarget target;
    private final boolean readOnly;
    private final IoUring ring;
    private final @Nullable IoUring polled;
    private final boolean pins;
    private final Completions refused;

    private final byte[] operation;
    private final long[] offset;
    private final long[] length;
    private final long[] done;
    private final long[] iov;
    private final int[] iovFirst;
    private final int[] iovCount;
    private final byte[] place;

    // Where direct transfers go: the polled ring, if there is one and as long as the device takes that.
    private IoUring directRing;

    // Of the ring that direct transfers begin with: memory that is pinned is pinned once for each ring.
    private @Nullable PinnedMemory memory;

    private @Nullable Fd eventFd;
    private boolean armed;
    private @Nullable Mapping zeroes;
    private int inFlight;
    private int finished;
    private BlockCompletion handler = DROP;

    /**
     * @param ring of the calling thread, of {@code depth} entries; closed with this
     * @param polled the same, for direct transfers
     * @param pins whether memory of which it knows is registered
     */
    UringQueue(FileTarget target, IoUring ring, @Nullable IoUring polled, boolean pins, int depth) {
        this.target = target;
        readOnly = target.readOnly;
        this.ring = ring;
        this.polled = polled;
        this.pins = pins;
        directRing = polled == null ? ring : polled;
        try {
            ring.registerFiles(target.file, target.directOrFile());
            if (polled != null) {
                polled.registerFiles(target.file, target.directOrFile());
            }
        } catch (ErrnoException e) {
            closeRings();
            throw e;
        }
        if (!target.takesNoWait) {
            ring.alwaysAsync();
        }
        refused = new Completions(depth);
        operation = new byte[depth];
        offset = new long[depth];
        length = new long[depth];
        done = new long[depth];
        iov = new long[depth];
        iovFirst = new int[depth];
        iovCount = new int[depth];
        place = new byte[depth];
    }

    @Override
    public void readv(long offset, long iov, int iovCount, int tag) {
        transfer(READ, offset, iov, iovCount, tag);
    }

    @Override
    public void writev(long offset, long iov, int iovCount, int tag) {
        if (readOnly) {
            refused.add(tag, -EROFS);
            return;
        }
        transfer(WRITE, offset, iov, iovCount, tag);
    }

    @Override
    public void flush(int tag) {
        if (readOnly) {
            refused.add(tag, 0);
            return;
        }
        int lost = target.lost.error();
        if (lost != 0) {
            refused.add(tag, lost);
            return;
        }
        start(FLUSH, 0, 0, tag);
    }

    @Override
    public void discard(long offset, long length, int tag) {
        allocate(DISCARD, offset, length, tag);
    }

    @Override
    public void writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
        allocate(mayUnmap ? UNMAP_ZERO : ZERO, offset, length, tag);
    }

    /** What waits for a thread of the kernel can be taken back, and what such a thread or a device has cannot. */
    @Override
    public boolean cancel(int tag) {
        submit();
        return ring.cancel(tag) == 0;
    }

    @Override
    public void use(Supplier<MappingSet> used) {
        if (pins) {
            memory = new PinnedMemory(directRing, used, target.pins);
        }
    }

    @Override
    public void submit() {
        submit(ring);
        if (polled != null) {
            submit(polled);
            wakeForPolled(polled);
        }
    }

    private static void submit(IoUring ring) {
        int result;
        do {
            result = ring.submit();
        } while (result > 0);
        // -EAGAIN and -EBUSY leave the rest prepared: the next submit or poll takes it.
        if (result < 0 && result != -EAGAIN && result != -EBUSY) {
            throw new IllegalStateException("io_uring_enter failed with " + result + " on a ring that was set up");
        }
    }

    @Override
    public int poll(BlockCompletion handler) {
        this.handler = handler;
        finished = 0;
        int delivered = refused.deliver(handler);
        if (inFlight > 0) {
            submit();
            ring.reap(this);
            if (polled != null) {
                polled.reap(this);
            }
            // What a completion started anew or an earlier submit had to leave; no event would tell of what was
            // refused, nor tell again of what is polled.
            submit();
            delivered += refused.deliver(handler);
        }
        return delivered + finished;
    }

    @Override
    public int inFlight() {
        return inFlight + refused.size();
    }

    @Override
    public void wakeBy(Fd eventFd) {
        this.eventFd = eventFd;
        ring.registerEventFd(eventFd);
        ring.enableEventFd(false);
    }

    /** {@inheritDoc} A device that is polled tells nobody of its completions: while it has requests, who wants to sleep goes on looking. */
    @Override
    public void arm() {
        armed = true;
        ring.enableEventFd(true);
        if (polled != null) {
            wakeForPolled(polled);
        }
    }

    @Override
    public void disarm() {
        armed = false;
        ring.enableEventFd(false);
    }

    @Override
    public void close() {
        while (inFlight > 0) {
            submit();
            IoUring waits = polled != null && polled.inFlight() != 0 ? polled : ring;
            waits.await();
            poll(DROP);
        }
        closeRings();
        Mapping mapping = zeroes;
        if (mapping != null) {
            mapping.close();
        }
    }

    /** A completion from the ring. */
    @Override
    public void complete(long userData, int result) {
        int tag = (int) userData;
        switch (operation[tag]) {
            case READ, WRITE -> transferred(tag, result);
            case DISCARD -> finish(tag, FileZeroes.discarded(result));
            case ZERO, UNMAP_ZERO -> zeroed(tag, result);
            case WRITE_ZERO -> zeroesWritten(tag, result);
            default -> finish(tag, target.lost.flushed(result));
        }
    }

    /** What is submitted while armed, and what a poll leaves, needs looking at as well as what was there before. */
    private void wakeForPolled(IoUring polled) {
        if (armed && polled.inFlight() != 0) {
            EventFd.signal(Objects.requireNonNull(eventFd).value());
        }
    }

    private void closeRings() {
        PinnedMemory pinned = memory;
        if (pinned != null) {
            pinned.close();
        }
        ring.close();
        if (polled != null) {
            polled.close();
        }
    }

    private void zeroed(int tag, int result) {
        if (result != -EOPNOTSUPP) {
            finish(tag, result);
            return;
        }
        try {
            if (zeroes == null) {
                zeroes = Mapping.anonymous(FileZeroes.CHUNK_BYTES);
            }
            operation[tag] = WRITE_ZERO;
            prepare(tag);
        } catch (ErrnoException e) {
            finish(tag, -e.errno());
        }
    }

    private void zeroesWritten(int tag, int result) {
        if (result > 0) {
            done[tag] += result;
        }
        if (done[tag] == length[tag]) {
            finish(tag, 0);
        } else if (result > 0 || result == -EAGAIN) {
            prepare(tag);
        } else {
            finish(tag, result == 0 ? -EIO : result);
        }
    }

    private void transferred(int tag, int result) {
        if (result == -EAGAIN) {
            prepare(tag);
            return;
        }
        if (result == -EOPNOTSUPP && place[tag] == DIRECT && !directRing.equals(ring)) {
            stopPolling();
            prepare(tag);
            return;
        }
        if (result == -EINVAL && place[tag] == DIRECT) {
            place[tag] = CACHED; // a rule of alignment that the file system did not tell
            prepare(tag);
            return;
        }
        if (result <= 0) {
            // Nothing moved: the file was made shorter than it was when it was opened.
            finish(tag, result == 0 ? -EIO : result);
            return;
        }
        done[tag] += result;
        if (done[tag] == length[tag]) {
            finish(tag, (int) length[tag]);
            return;
        }
        iovFirst[tag] = IoVecs.advance(iov[tag], iovFirst[tag], result);
        place[tag] = CACHED; // the rest may be aligned to nothing
        prepare(tag);
    }

    /** A file may lie on several devices, or begin with a hole: what refuses to poll may come late. */
    private void stopPolling() {
        directRing = ring;
        System.getLogger(UringQueue.class.getName())
                .log(System.Logger.Level.WARNING, "{0} is not polled any more: EOPNOTSUPP", target.path);
    }

    private void finish(int tag, int result) {
        inFlight--;
        finished++;
        handler.complete(tag, result);
    }

    private void transfer(byte what, long at, long vectors, int count, int tag) {
        long bytes = IoVecs.total(vectors, count);
        if (!Range.isLegal(at, bytes, target.sizeBytes())) {
            refused.add(tag, -EINVAL);
            return;
        }
        if (bytes == 0) {
            refused.add(tag, 0);
            return;
        }
        iov[tag] = vectors;
        iovFirst[tag] = 0;
        iovCount[tag] = count;
        place[tag] = (byte) (target.takesDirectly(at, vectors, count) ? DIRECT : CACHED);
        start(what, at, bytes, tag);
    }

    private void allocate(byte what, long at, long bytes, int tag) {
        if (readOnly || !Range.isLegalWithoutData(at, bytes, target.sizeBytes())) {
            refused.add(tag, readOnly ? -EROFS : -EINVAL);
        } else if (bytes == 0) {
            refused.add(tag, 0);
        } else {
            start(what, at, bytes, tag);
        }
    }

    private void start(byte what, long at, long bytes, int tag) {
        operation[tag] = what;
        offset[tag] = at;
        length[tag] = bytes;
        done[tag] = 0;
        inFlight++;
        prepare(tag);
    }

    private void prepare(int tag) {
        boolean prepared = switch (operation[tag]) {
            case READ, WRITE -> prepareTransfer(tag);
            case FLUSH -> ring.prepFdatasync(CACHED, tag);
            case DISCARD, UNMAP_ZERO -> ring.prepFallocate(CACHED, FileZeroes.DISCARD, offset[tag], length[tag], tag);
            case WRITE_ZERO -> prepareZeroes(tag);
            default -> ring.prepFallocate(CACHED, FileZeroes.mode(false), offset[tag], length[tag], tag);
        };
        if (!prepared) {
            throw new IllegalStateException("tag " + tag + " was used again before it was free");
        }
    }

    private boolean prepareZeroes(int tag) {
        target.lost.cached();
        int bytes = (int) Math.min(FileZeroes.CHUNK_BYTES, length[tag] - done[tag]);
        long from = Objects.requireNonNull(zeroes).address();
        return ring.prepWrite(CACHED, from, bytes, offset[tag] + done[tag], tag);
    }

    private boolean prepareTransfer(int tag) {
        int fd = place[tag];
        IoUring to = fd == DIRECT ? directRing : ring;
        if (operation[tag] == WRITE && fd == CACHED) {
            target.lost.cached();
        }
        long at = offset[tag] + done[tag];
        long vectors = iov[tag] + iovFirst[tag] * IoVecs.SIZEOF;
        int count = Math.min(iovCount[tag] - iovFirst[tag], MAX_IOVS);
        if (count == 1) {
            long base = IoVecs.base(vectors, 0);
            int bytes = (int) IoVecs.length(vectors, 0);
            int buffer = pinned(to, base, IoVecs.length(vectors, 0));
            if (buffer != PinnedMemory.NONE) {
                return operation[tag] == READ
                        ? to.prepReadFixed(fd, base, bytes, at, buffer, tag)
                        : to.prepWriteFixed(fd, base, bytes, at, buffer, tag);
            }
            return operation[tag] == READ
                    ? to.prepRead(fd, base, bytes, at, tag)
                    : to.prepWrite(fd, base, bytes, at, tag);
        }
        return operation[tag] == READ
                ? to.prepReadv(fd, vectors, count, at, tag)
                : to.prepWritev(fd, vectors, count, at, tag);
    }

    /** Which registered buffer of a ring has memory; or {@link PinnedMemory#NONE}. */
    private int pinned(IoUring to, long base, long bytes) {
        PinnedMemory pinned = memory;
        return pinned != null && pinned.isOf(to) ? pinned.place(base, bytes) : PinnedMemory.NONE;
    }
}
