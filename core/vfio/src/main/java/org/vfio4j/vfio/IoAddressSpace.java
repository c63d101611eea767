package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.sys.Errno.EOVERFLOW;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.bus.DirtyLog;
import org.vfio4j.bus.DmaFollower;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MappingSet;

/**
 * The memory that a device may master: IOVA to memory, as an iommufd IOAS or a type1 container is in the kernel.
 *
 * <p>Control threads change the maps, one at a time under a lock. Queue threads look addresses up through their
 * {@link DmaWindow}s without a lock, on an immutable snapshot, of which a change makes a new one that shares most of it.
 * Taking a map away ends with {@link #synchronize}: only when no window can be using it any more is its memory released.
 *
 * <p>A function that masters memory by itself {@linkplain #follow follows} the maps: it has each before it is published, and no longer
 * than the memory is there.
 *
 * <p>The space owns the memory of its maps, and releases that of a map that it refuses.
 */
public final class IoAddressSpace implements DmaSpace, AutoCloseable {

    /** The largest single map, 8 TiB: more than any machine has, and small enough that sums of sizes never overflow. */
    public static final long MAX_MAP_BYTES = 1L << 43;

    static final DmaSnapshot EMPTY = new DmaSnapshot(0, DmaTree.EMPTY, MappingSet.EMPTY);

    static final DirtyLog[] NO_LOGS = {};

    private static final long SPIN_NS = 20_000;
    private static final long PARK_NS = 50_000;

    private final int maxMaps;
    private final Object lock = new Object();
    private final TreeMap<Long, DmaMap> maps = new TreeMap<>(Long::compareUnsigned);
    private final CopyOnWriteArrayList<IoAddressSpaceWindow> windows = new CopyOnWriteArrayList<>();
    private final DmaFollowers followers = new DmaFollowers();

    // Written under the lock.
    private volatile DmaSnapshot snapshot = EMPTY;

    // Counts the calls of synchronize that found a window online, from 1: 0 stands for a window that is offline.
    private volatile long epoch = 1;

    // Never changed, always replaced. Written under the lock.
    private volatile DirtyLog[] logs = NO_LOGS;

    /** @param maxMaps how many maps it takes at once */
    public IoAddressSpace(int maxMaps) {
        this.maxMaps = maxMaps;
    }

    /**
     * Maps memory that is mapped into this process; the space owns {@code mapping} from now on, and closes it when it throws.
     *
     * @param iova first byte, unsigned
     * @param access {@link #READ}, {@link #WRITE} or both
     * @throws ErrnoException EINVAL for a size of 0, EOVERFLOW past the end of the address space, EEXIST when it overlaps
     *     another map, ENOSPC when it is larger than {@link #MAX_MAP_BYTES} or there are too many; and what a follower says to memory that
     *     it is told no descriptor of
     */
    public void map(long iova, int access, Mapping mapping) {
        add(new DmaMap(iova, access, mapping), Optional.empty());
    }

    /**
     * The same for memory that followers can have too.
     *
     * @param memory what is mapped; the descriptor stays the caller's
     */
    public void map(long iova, int access, Mapping mapping, DmaMemory memory) {
        add(new DmaMap(iova, access, mapping), Optional.of(memory));
    }

    /** Maps memory that is reached through {@code backing}; otherwise as {@link #map(long, int, Mapping)}. */
    public void map(long iova, long sizeBytes, int access, DmaBacking backing) {
        add(new DmaMap(iova, sizeBytes, access, backing), backing.memory());
    }

    /**
     * Takes away exactly what one call mapped, and returns when no window uses it any more.
     *
     * @throws ErrnoException ENOENT when there is no map of this address and size; what a follower says that could not let go of it, after
     *     it was taken away
     */
    public void unmap(long iova, long sizeBytes) {
        DmaMap gone;
        Optional<ErrnoException> failure;
        synchronized (lock) {
            DmaMap found = maps.get(iova);
            if (found == null || found.sizeBytes != sizeBytes) {
                throw new ErrnoException(ENOENT, "DMA unmap " + range(iova, sizeBytes));
            }
            gone = found;
            maps.remove(iova);
            publish(snapshot.maps().minus(found), found.removeFrom(snapshot.large()));
            failure = followers.unmap(List.of(found));
        }
        release(List.of(gone), failure);
    }

    /** Takes every map away, and returns their bytes when no window uses them any more; otherwise as {@link #unmap}. */
    public long unmapAll() {
        List<DmaMap> gone;
        Optional<ErrnoException> failure;
        synchronized (lock) {
            gone = new ArrayList<>(maps.values());
            maps.clear();
            publish(DmaTree.EMPTY, MappingSet.EMPTY);
            failure = followers.unmap(gone);
        }
        release(gone, failure);
        return gone.stream().mapToLong(map -> map.sizeBytes).sum();
    }

    private void release(List<DmaMap> gone, Optional<ErrnoException> failure) {
        synchronize();
        gone.forEach(DmaMap::close);
        failure.ifPresent(e -> {
            throw e;
        });
    }

    /** Whether exactly this range is one map with this access. */
    public boolean contains(long iova, long sizeBytes, int access) {
        synchronized (lock) {
            DmaMap found = maps.get(iova);
            return found != null && found.sizeBytes == sizeBytes && found.access == access;
        }
    }

    /** Whether some byte of a range is mapped. */
    public boolean overlaps(long iova, long sizeBytes) {
        synchronized (lock) {
            return overlapping(iova, iova + sizeBytes - 1).isPresent();
        }
    }

    /** How many maps there are. */
    public int size() {
        synchronized (lock) {
            return maps.size();
        }
    }

    /**
     * Whether no window is online, so that {@link #synchronize} and {@link #unmap} return without waiting. A window may go
     * online at any time: a hint for choosing the thread that calls them.
     */
    public boolean isQuiet() {
        for (IoAddressSpaceWindow window : windows) {
            if (window.isOnline()) {
                return false;
            }
        }
        return true;
    }

    /**
     * Waits until every window that was online has left at least once: what was unpublished before the call is then used by
     * nobody. A thread whose own window is online must not call it.
     */
    public void synchronize() {
        if (isQuiet()) {
            return;
        }
        long target;
        synchronized (lock) {
            target = epoch + 1;
            epoch = target;
        }
        for (IoAddressSpaceWindow window : windows) {
            awaitSafePoint(window, target);
        }
    }

    /**
     * Lets all windows mark in {@code log} what they write. When this returns, every write is marked that was not over, and
     * visible to all, before: a window that was online has left, and takes note of the log when it enters again.
     */
    void addLog(DirtyLog log) {
        synchronized (lock) {
            DirtyLog[] longer = Arrays.copyOf(logs, logs.length + 1);
            longer[logs.length] = log;
            logs = longer;
        }
        synchronize();
    }

    /** Takes a log away again; windows that are online may go on to mark in it. */
    void removeLog(DirtyLog log) {
        synchronized (lock) {
            logs = Arrays.stream(logs).filter(other -> other != log).toArray(DirtyLog[]::new);
        }
    }

    @Override
    public DmaWindow openWindow() {
        IoAddressSpaceWindow window = new IoAddressSpaceWindow(this);
        windows.add(window);
        return window;
    }

    @Override
    public void follow(DmaFollower follower) {
        synchronized (lock) {
            followers.add(follower, maps.size());
        }
    }

    @Override
    public void unfollow(DmaFollower follower) {
        Optional<ErrnoException> failure;
        synchronized (lock) {
            failure = followers.remove(follower, maps.values());
        }
        failure.ifPresent(e -> {
            throw e;
        });
    }

    /** Whether somebody follows, so that a map or an unmap may have to wait. */
    public boolean isFollowed() {
        return !followers.isEmpty();
    }

    /** Takes every map away. */
    @Override
    public void close() {
        unmapAll();
    }

    long epoch() {
        return epoch;
    }

    DirtyLog[] logs() {
        return logs;
    }

    DmaSnapshot snapshot() {
        return snapshot;
    }

    void closeWindow(IoAddressSpaceWindow window) {
        windows.remove(window);
    }

    private void add(DmaMap map, Optional<DmaMemory> memory) {
        try {
            synchronized (lock) {
                check(map);
                followers.map(map, memory);
                maps.put(map.iova, map);
                publish(snapshot.maps().plus(map), map.addTo(snapshot.large()));
            }
        } catch (RuntimeException e) {
            map.close();
            throw e;
        }
    }

    private void check(DmaMap map) {
        String what = "DMA map " + map;
        if (map.sizeBytes == 0) {
            throw new ErrnoException(EINVAL, what);
        }
        if (Long.compareUnsigned(map.sizeBytes, MAX_MAP_BYTES) > 0) {
            throw new ErrnoException(ENOSPC, what + ": the limit of one map is " + MAX_MAP_BYTES + " bytes");
        }
        if (Long.compareUnsigned(map.last(), map.iova) < 0) {
            throw new ErrnoException(EOVERFLOW, what + " goes past the end of the address space");
        }
        if (maps.size() >= maxMaps) {
            throw new ErrnoException(ENOSPC, what + ": the limit is " + maxMaps + " maps");
        }
        overlapping(map.iova, map.last()).ifPresent(other -> {
            throw new ErrnoException(EEXIST, what + " overlaps " + other);
        });
    }

    private Optional<DmaMap> overlapping(long first, long last) {
        // The only map that can overlap: of those that begin at or before the last byte, the one that begins last.
        Map.Entry<Long, DmaMap> neighbour = maps.floorEntry(last);
        return neighbour != null && Long.compareUnsigned(neighbour.getValue().last(), first) >= 0
                ? Optional.of(neighbour.getValue())
                : Optional.empty();
    }

    private void publish(DmaTree changed, MappingSet large) {
        snapshot = new DmaSnapshot(snapshot.generation() + 1, changed, large);
    }

    private static void awaitSafePoint(IoAddressSpaceWindow window, long target) {
        long spinUntil = System.nanoTime() + SPIN_NS;
        while (window.isOnlineSinceBefore(target)) {
            if (System.nanoTime() < spinUntil) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(PARK_NS);
            }
        }
    }

    private static String range(long iova, long sizeBytes) {
        return "iova 0x" + Long.toHexString(iova) + " size 0x" + Long.toHexString(sizeBytes);
    }
}
