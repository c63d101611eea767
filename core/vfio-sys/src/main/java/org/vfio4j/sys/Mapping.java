package org.vfio4j.sys;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** Mapped memory and its one owner. After {@link #close} an access to it ends the process: the owner sees to it that none comes. */
public final class Mapping implements AutoCloseable {

    public static final int PROT_READ = 1;
    public static final int PROT_WRITE = 2;

    private static final int MAP_SHARED = 1;
    private static final int MAP_PRIVATE = 2;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_REMOVE = 9;
    private static final int MADV_POPULATE_WRITE = 23;
    private static final int NO_FD = -1;

    private static final int SC_PAGESIZE = 30;

    private static final CFunction MMAP = CFunction.of("mmap");
    private static final CFunction MUNMAP = CFunction.of("munmap");
    private static final CFunction MADVISE = CFunction.of("madvise");

    /** Bytes of a page of this machine. */
    public static final int PAGE_BYTES = (int) CFunction.of("sysconf").call(SC_PAGESIZE);

    /** How many there are: the kernel gives a process only so many ({@code vm.max_map_count}). */
    private static final AtomicInteger OPEN = new AtomicInteger();

    private final long address;
    private final long size;
    private final int discardAdvice;
    private final AtomicBoolean open = new AtomicBoolean(true);

    private Mapping(long address, long size, int discardAdvice) {
        this.address = address;
        this.size = size;
        this.discardAdvice = discardAdvice;
        OPEN.incrementAndGet();
    }

    /** How many this process has now; those that the JVM has for itself are not among them. */
    public static int openCount() {
        return OPEN.get();
    }

    /**
     * Maps {@code size} bytes of {@code fd} from {@code offset} on, shared with whoever else maps them. The descriptor may be
     * closed afterwards. Memory that its owner can shrink must not be mapped: see {@link Seals}.
     *
     * @param offset a multiple of {@link #PAGE_BYTES}
     * @param prot {@link #PROT_READ}, {@link #PROT_WRITE} or both
     * @throws ErrnoException as mmap(2)
     */
    public static Mapping shared(Fd fd, long offset, long size, int prot) {
        String what = "mmap " + fd + " offset=" + offset + " size=" + size;
        return new Mapping(mmap(size, prot, MAP_SHARED, fd.value(), offset, what), size, MADV_REMOVE);
    }

    /** Maps {@code size} bytes of zeroes that take memory only where they are touched. */
    public static Mapping anonymous(long size) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        return new Mapping(
                mmap(size, PROT_READ | PROT_WRITE, flags, NO_FD, 0, "mmap anonymous size=" + size),
                size,
                MADV_DONTNEED);
    }

    public long address() {
        return address;
    }

    public long size() {
        return size;
    }

    /** A view of all of it. */
    public MemorySegment segment() {
        return RawMemory.segment(address, size);
    }

    /**
     * Gives whole pages of anonymous memory or of a memfd back: they read as zeroes.
     *
     * @param offset a multiple of {@link #PAGE_BYTES}
     * @param length a multiple of {@link #PAGE_BYTES}
     * @return 0 or a negative errno
     */
    public int discard(long offset, long length) {
        return MADVISE.callInt(address + offset, length, discardAdvice);
    }

    /**
     * Takes and maps the memory of whole pages, to be written.
     *
     * @param offset a multiple of {@link #PAGE_BYTES}
     * @param length a multiple of {@link #PAGE_BYTES}
     * @return 0 or a negative errno; -EINVAL where the kernel does not know this, before 5.14
     */
    public int populate(long offset, long length) {
        return MADVISE.callInt(address + offset, length, MADV_POPULATE_WRITE);
    }

    /** Unmaps it; later calls do nothing. */
    @Override
    public void close() {
        if (open.getAndSet(false)) {
            OPEN.decrementAndGet();
            ErrnoException.check(MUNMAP.callInt(address, size), "munmap size=" + size);
        }
    }

    private static long mmap(long size, int prot, int flags, int fd, long offset, String what) {
        return ErrnoException.check(MMAP.call(0, size, prot, flags, fd, offset), what);
    }
}
