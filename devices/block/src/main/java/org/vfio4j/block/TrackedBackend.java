package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EBUSY;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * Storage of which it can be known what is written to it while it is copied: another storage with a {@link WriteMap}, while one is wanted.
 * A request costs a note of its place, which its queue keeps until the completion, whether there is a map or not: one that is in flight
 * when the map comes is marked like all after it.
 */
public final class TrackedBackend implements BlockBackend {

    private final BlockBackend inner;

    /** Kept to the end, because a queue may be at the last one just now: it serves again. Under this object's lock. */
    private final List<WriteMap> made = new ArrayList<>();

    private volatile @Nullable WriteMap map;

    /** @param inner closed by this */
    public TrackedBackend(BlockBackend inner) {
        this.inner = inner;
    }

    /**
     * Begins to mark what is written. What completed before it returns is not marked, and can be read already.
     *
     * @return the map, which stays this object's
     * @throws ErrnoException EBUSY when somebody else copies it
     */
    public synchronized WriteMap startTracking() {
        if (map != null) {
            throw new ErrnoException(EBUSY, "copy " + describe() + ", which is copied already");
        }
        long sizeBytes = inner.sizeBytes();
        if (made.isEmpty() || made.getLast().sizeBytes() != sizeBytes) {
            made.add(WriteMap.create(sizeBytes));
        }
        WriteMap begun = made.getLast();
        begun.clear();
        map = begun;
        return begun;
    }

    /** Ends it; nothing when it has not begun. */
    public synchronized void stopTracking() {
        map = null;
    }

    /** Marks a write that has completed, if somebody wants to know. */
    void wrote(long offset, long length) {
        WriteMap wanted = map;
        if (wanted != null) {
            wanted.mark(offset, length);
        }
    }

    @Override
    public long sizeBytes() {
        return inner.sizeBytes();
    }

    @Override
    public int physicalBlockBytes() {
        return inner.physicalBlockBytes();
    }

    @Override
    public boolean readOnly() {
        return inner.readOnly();
    }

    /** {@inheritDoc} Not while it is copied, since a copy has one size. */
    @Override
    public synchronized void grow(long sizeBytes) {
        if (map != null) {
            throw new ErrnoException(EBUSY, "resize of " + describe() + ", which is being copied");
        }
        inner.grow(sizeBytes);
    }

    @Override
    public void claim() {
        inner.claim();
    }

    @Override
    public boolean isClaimed() {
        return inner.isClaimed();
    }

    @Override
    public void release() {
        inner.release();
    }

    @Override
    public Optional<Fd> shareMemory() {
        return inner.shareMemory();
    }

    @Override
    public Fd openData(boolean writable) {
        return inner.openData(writable);
    }

    @Override
    public String describe() {
        return inner.describe();
    }

    @Override
    public BlockQueue openQueue(int depth) {
        return new TrackedQueue(inner.openQueue(depth), this, depth);
    }

    @Override
    public synchronized void close() {
        map = null;
        inner.close();
        made.forEach(WriteMap::close);
        made.clear();
    }
}
