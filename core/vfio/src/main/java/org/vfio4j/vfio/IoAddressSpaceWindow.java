package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DirtyLog;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.MappingSet;
import org.vfio4j.sys.RawMemory;

/**
 * A thread's window on an {@link IoAddressSpace}: the reader's side of its safe points, a quiescent-state scheme.
 *
 * <p>{@code onlineEpoch} is 0 while offline, else the space's epoch when the thread went online. {@link #enter} stores it
 * before it loads the snapshot, and whoever takes a map away stores the change before it loads {@code onlineEpoch}, all in
 * sequentially consistent order: so either the thread sees the change or the other sees the thread.
 *
 * <p>The same order makes a new log known: what a thread writes after it entered is marked in the logs that there were then, and
 * whoever adds a log waits for those who entered before.
 *
 * <p>The last places are kept in fields, which spare most translations the way through the tree: two maps; and, among many
 * maps of a page, the 256 MiB around one, whose pages are then two loads away, whichever is asked for.
 */
final class IoAddressSpaceWindow implements DmaWindow {

    private static final long PAGE_BYTES = 1L << DmaNode.PAGE_SHIFT;

    // For each access that memory may have, in 4 bits, those that it allows.
    private static final int ALLOWS = 0b1110_0100_0010_0000;

    private static final VarHandle ONLINE_EPOCH;

    static {
        try {
            ONLINE_EPOCH = MethodHandles.lookup().findVarHandle(IoAddressSpaceWindow.class, "onlineEpoch", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final IoAddressSpace space;

    @SuppressWarnings("unused") // through ONLINE_EPOCH
    private volatile long onlineEpoch;

    // What follows belongs to the window's thread.
    private long enteredEpoch;
    private DmaSnapshot snapshot = IoAddressSpace.EMPTY;
    private DirtyLog[] logs = IoAddressSpace.NO_LOGS;
    private DmaTree.@Nullable Entry root;

    // The map that was found last, and which accesses it allows.
    private long hitIova;
    private long hitSize;
    private long hitHost;
    private int hitAllows;

    // The one before that.
    private long otherIova;
    private long otherSize;
    private long otherHost;
    private int otherAllows;

    // The pages around the one that was found last, and where they begin.
    private long pagesIova;
    private long[][] pages = DmaNode.NO_PAGES;

    IoAddressSpaceWindow(IoAddressSpace space) {
        this.space = space;
    }

    @Override
    public void enter() {
        long epoch = space.epoch();
        enteredEpoch = epoch;
        ONLINE_EPOCH.setVolatile(this, epoch);
        logs = space.logs();
        DmaSnapshot newest = space.snapshot();
        if (newest.generation() != snapshot.generation()) {
            snapshot = newest;
            root = newest.maps().root();
            hitSize = 0;
            otherSize = 0;
            pages = DmaNode.NO_PAGES;
        }
    }

    @Override
    public void leave() {
        ONLINE_EPOCH.setRelease(this, 0L);
    }

    @Override
    public boolean yieldRequested() {
        return space.epoch() != enteredEpoch;
    }

    @Override
    public long generation() {
        return snapshot.generation();
    }

    @Override
    public MappingSet mappings() {
        return snapshot.large();
    }

    @Override
    public long translate(long iova, long length, int access) {
        long offset = iova - hitIova;
        // hitSize - offset cannot be less than 0 here.
        if (Long.compareUnsigned(offset, hitSize) < 0
                && (hitAllows >>> access & 1) != 0
                && length <= hitSize - offset) {
            return hitHost + offset;
        }
        return search(iova, length, access);
    }

    @Override
    public int read(long iova, long hostAddress, long length) {
        return transfer(iova, hostAddress, length, DmaSpace.READ);
    }

    @Override
    public int write(long iova, long hostAddress, long length) {
        return transfer(iova, hostAddress, length, DmaSpace.WRITE);
    }

    @Override
    public void markDirty(long iova, long length) {
        DirtyLog[] running = logs;
        if (running.length != 0) {
            for (DirtyLog log : running) {
                log.mark(iova, length);
            }
        }
    }

    @Override
    public void close() {
        leave();
        space.closeWindow(this);
    }

    /** Whether this thread may still be using what was there before {@code epoch}. Called by others. */
    boolean isOnlineSinceBefore(long epoch) {
        long online = (long) ONLINE_EPOCH.getVolatile(this);
        return online != 0 && online < epoch;
    }

    boolean isOnline() {
        return (long) ONLINE_EPOCH.getVolatile(this) != 0;
    }

    private long search(long iova, long length, int access) {
        long offset = iova - otherIova;
        if (Long.compareUnsigned(offset, otherSize) < 0
                && (otherAllows >>> access & 1) != 0
                && length <= otherSize - offset) {
            return otherHost + offset;
        }
        long slot = (iova - pagesIova) >>> DmaNode.DIRECTORY_SHIFT;
        if (slot < pages.length) {
            long direct = pages[(int) slot][(int) (iova >>> DmaNode.PAGE_SHIFT) & (DmaNode.SLOTS - 1)];
            // Unsigned, since the sum may be too large for a long.
            boolean within = Long.compareUnsigned((iova & (PAGE_BYTES - 1)) + length, PAGE_BYTES) <= 0;
            if (access != 0 && (direct & access) == access && within) {
                return iova + (direct & ~DmaNode.ACCESS);
            }
        }
        return walk(iova, length, access);
    }

    private long walk(long iova, long length, int access) {
        DmaNode directory = null;
        DmaTree.Entry entry = root;
        while (entry instanceof DmaNode node) {
            if (!node.spans(iova)) {
                return -ENOENT;
            }
            int slot = (int) node.slot(iova);
            long direct = node.direct(slot);
            long first = node.firstOf(slot);
            long bytes = 1L << node.shift;
            if (direct != 0 && (direct & access) == access && length <= bytes - (iova - first)) {
                long offset = direct & ~DmaNode.ACCESS;
                if (directory == null) {
                    hit(first, bytes, first + offset, allows((int) direct & DmaNode.ACCESS));
                } else {
                    pagesIova = directory.base;
                    pages = directory.pages;
                }
                return iova + offset;
            }
            directory = node.pages.length != 0 ? node : null;
            entry = node.entry(slot);
        }
        return entry instanceof DmaMap map && map.contains(iova) ? translateIn(map, iova, length, access) : -ENOENT;
    }

    private long translateIn(DmaMap map, long iova, long length, int access) {
        if ((map.access & access) != access) {
            return -EACCES;
        }
        long offset = iova - map.iova;
        if (length > map.sizeBytes - offset) {
            return searchOn(map, length - (map.sizeBytes - offset), access);
        }
        if (map.host == 0) {
            return 0;
        }
        hit(map.iova, map.sizeBytes, map.host, allows(map.access));
        return map.host + offset;
    }

    /** Bit {@code access} of the result says whether memory that may be accessed as is said allows {@code access}. */
    private static int allows(int memory) {
        return (ALLOWS >>> (4 * memory)) & 0xf;
    }

    private void hit(long iova, long size, long host, int allows) {
        otherIova = hitIova;
        otherSize = hitSize;
        otherHost = hitHost;
        otherAllows = hitAllows;
        hitIova = iova;
        hitSize = size;
        hitHost = host;
        hitAllows = allows;
    }

    /** A range goes on behind a map: the maps that follow without a gap must hold the rest. */
    private long searchOn(DmaMap map, long rest, int access) {
        long left = rest;
        long next = map.last() + 1;
        while (left > 0) {
            DmaMap following = next == 0 ? null : snapshot.maps().find(next);
            if (following == null) {
                return -ENOENT;
            }
            if ((following.access & access) != access) {
                return -EACCES;
            }
            left -= following.sizeBytes;
            next = following.last() + 1;
        }
        return 0;
    }

    private int transfer(long iova, long hostAddress, long length, int access) {
        long done = 0;
        while (done < length) {
            // Looked up anew for each piece: the wait for a remote one may have changed the maps.
            DmaMap map = snapshot.maps().find(iova + done);
            if (map == null) {
                return -ENOENT;
            }
            if ((map.access & access) != access) {
                return -EACCES;
            }
            long offset = iova + done - map.iova;
            long piece = Math.min(length - done, map.sizeBytes - offset);
            int error = transferPiece(map, offset, hostAddress + done, piece, access);
            if (access == DmaSpace.WRITE) {
                markDirty(iova + done, piece);
            }
            if (error != 0) {
                return error;
            }
            done += piece;
        }
        return 0;
    }

    private int transferPiece(DmaMap map, long offset, long hostAddress, long length, int access) {
        long mapped = map.host;
        if (mapped != 0) {
            if (access == DmaSpace.READ) {
                RawMemory.copy(mapped + offset, hostAddress, length);
            } else {
                RawMemory.copy(hostAddress, mapped + offset, length);
            }
            return 0;
        }
        DmaBacking backing = Objects.requireNonNull(map.backing);
        if (!backing.isRemote()) {
            return access(backing, offset, hostAddress, length, access);
        }
        leave();
        int error = access(backing, offset, hostAddress, length, access);
        enter();
        return error;
    }

    private static int access(DmaBacking backing, long offset, long hostAddress, long length, int access) {
        return access == DmaSpace.READ
                ? backing.read(offset, hostAddress, length)
                : backing.write(offset, hostAddress, length);
    }
}
