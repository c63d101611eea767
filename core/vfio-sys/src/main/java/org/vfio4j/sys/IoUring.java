package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOSYS;
import static org.vfio4j.sys.IoUringLayout.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A submission and a completion queue shared with the kernel: io_uring(7). The thread that creates it owns it, which the kernel
 * holds it to (IORING_SETUP_SINGLE_ISSUER); only {@link #close} may come from another, once the owner is done.
 *
 * <p>Buffers and iovecs that an operation names stay valid until it completes. Nothing here allocates after {@link #create}.
 */
public final class IoUring implements AutoCloseable {

    /** Takes completions. */
    public interface CompletionHandler {
        /**
         * @param userData as given with the operation
         * @param result its result, or a negative errno
         */
        void complete(long userData, int result);
    }

    private static final int DEFERRED = IORING_SETUP_CLAMP
            | IORING_SETUP_SUBMIT_ALL
            | IORING_SETUP_SINGLE_ISSUER
            | IORING_SETUP_DEFER_TASKRUN
            | IORING_SETUP_TASKRUN_FLAG;

    private static final CFunction SYSCALL = CFunction.of("syscall");
    private static final long NO_SIGNALS = 0;

    // Not a constant to the compiler, on purpose: a loop that had it inlined for each of submit, reap and await would
    // be too large for escape analysis to remove what a downcall allocates.
    private final CFunction syscall = SYSCALL;

    private final Fd ring;
    private final boolean deferred;
    private final boolean polled;
    private final Mapping rings;
    private final Mapping entries;

    private final long sqHead;
    private final long sqTail;
    private final long sqFlags;
    private final int sqMask;
    private final int sqSize;
    private final long cqHead;
    private final long cqTail;
    private final long cqFlags;
    private final long cqEntries;
    private final int cqMask;

    // The owner's own ends of the queues.
    private int prepared;
    private int submitted;
    private int reaped;

    private boolean fixedFiles;
    private boolean fixedBuffers;

    // What every entry has in its flags, shifted to their place in its first eight bytes.
    private long entryFlags;

    private IoUring(Fd ring, MemorySegment params, int flags) {
        this.ring = ring;
        deferred = (flags & IORING_SETUP_DEFER_TASKRUN) != 0;
        polled = (flags & IORING_SETUP_IOPOLL) != 0;
        int sqEntries = params.get(JAVA_INT, PARAMS_SQ_ENTRIES);
        int arrayOffset = params.get(JAVA_INT, PARAMS_SQ_OFF + SQ_OFF_ARRAY);
        int cqesOffset = params.get(JAVA_INT, PARAMS_CQ_OFF + CQ_OFF_CQES);
        long sqBytes = arrayOffset + (long) sqEntries * Integer.BYTES;
        long cqBytes = cqesOffset + params.get(JAVA_INT, PARAMS_CQ_ENTRIES) * CQE_SIZEOF;
        int access = Mapping.PROT_READ | Mapping.PROT_WRITE;
        rings = Mapping.shared(ring, IORING_OFF_SQ_RING, Math.max(sqBytes, cqBytes), access);
        try {
            entries = Mapping.shared(ring, IORING_OFF_SQES, sqEntries * SQE_SIZEOF, access);
        } catch (ErrnoException e) {
            rings.close();
            throw e;
        }
        long base = rings.address();
        sqHead = base + params.get(JAVA_INT, PARAMS_SQ_OFF + SQ_OFF_HEAD);
        sqTail = base + params.get(JAVA_INT, PARAMS_SQ_OFF + SQ_OFF_TAIL);
        sqFlags = base + params.get(JAVA_INT, PARAMS_SQ_OFF + SQ_OFF_FLAGS);
        sqMask = RawMemory.getInt(base + params.get(JAVA_INT, PARAMS_SQ_OFF + SQ_OFF_RING_MASK));
        sqSize = sqEntries;
        cqHead = base + params.get(JAVA_INT, PARAMS_CQ_OFF + CQ_OFF_HEAD);
        cqTail = base + params.get(JAVA_INT, PARAMS_CQ_OFF + CQ_OFF_TAIL);
        cqFlags = base + params.get(JAVA_INT, PARAMS_CQ_OFF + CQ_OFF_FLAGS);
        cqMask = RawMemory.getInt(base + params.get(JAVA_INT, PARAMS_CQ_OFF + CQ_OFF_RING_MASK));
        cqEntries = base + cqesOffset;
        // Slot i of the submission queue is always entry i.
        for (int i = 0; i < sqEntries; i++) {
            RawMemory.putInt(base + arrayOffset + (long) i * Integer.BYTES, i);
        }
        prepared = RawMemory.getInt(sqTail);
        submitted = prepared;
        reaped = RawMemory.getInt(cqHead);
    }

    /**
     * Makes a ring that the calling thread owns.
     *
     * @param entries submissions it holds, rounded up to a power of two
     * @throws ErrnoException ENOSYS or EPERM where the kernel or its administrator does not offer io_uring, ENOMEM
     */
    public static IoUring create(int entries) {
        return createFor(entries, 0);
    }

    /**
     * As {@link #create}, for reads and writes of files with O_DIRECT alone, whose completions are found by polling the device
     * (IORING_SETUP_IOPOLL): {@link #reap} and {@link #await} do, and no eventfd is signalled. Other operations complete with -EINVAL;
     * where the file system or the device does not poll, reads and writes may with -EOPNOTSUPP, or are completed by interrupts after all.
     */
    public static IoUring createPolled(int entries) {
        return createFor(entries, IORING_SETUP_IOPOLL);
    }

    /** Prepares readv: false when the submission queue is full. */
    public boolean prepReadv(int fd, long iov, int count, long offset, long userData) {
        return prepare(IORING_OP_READV, fd, iov, count, offset, 0, 0, userData);
    }

    /** Prepares writev: false when the submission queue is full. */
    public boolean prepWritev(int fd, long iov, int count, long offset, long userData) {
        return prepare(IORING_OP_WRITEV, fd, iov, count, offset, 0, 0, userData);
    }

    /** Prepares a read into one buffer: false when the submission queue is full. */
    public boolean prepRead(int fd, long address, int length, long offset, long userData) {
        return prepare(IORING_OP_READ, fd, address, length, offset, 0, 0, userData);
    }

    /** Prepares a write from one buffer: false when the submission queue is full. */
    public boolean prepWrite(int fd, long address, int length, long offset, long userData) {
        return prepare(IORING_OP_WRITE, fd, address, length, offset, 0, 0, userData);
    }

    /**
     * Prepares a read into a registered buffer: false when the submission queue is full. It completes with -EFAULT where the bytes are not
     * all in that buffer.
     *
     * @param buffer its place in the table of {@link #registerBuffers}
     */
    public boolean prepReadFixed(int fd, long address, int length, long offset, int buffer, long userData) {
        return prepare(IORING_OP_READ_FIXED, fd, address, length, offset, 0, buffer, userData);
    }

    /** Prepares a write from a registered buffer; otherwise as {@link #prepReadFixed}. */
    public boolean prepWriteFixed(int fd, long address, int length, long offset, int buffer, long userData) {
        return prepare(IORING_OP_WRITE_FIXED, fd, address, length, offset, 0, buffer, userData);
    }

    /** Prepares fdatasync: false when the submission queue is full. */
    public boolean prepFdatasync(int fd, long userData) {
        return prepare(IORING_OP_FSYNC, fd, 0, 0, 0, IORING_FSYNC_DATASYNC, 0, userData);
    }

    /** Prepares fallocate: false when the submission queue is full. */
    public boolean prepFallocate(int fd, int mode, long offset, long length, long userData) {
        return prepare(IORING_OP_FALLOCATE, fd, length, mode, offset, 0, 0, userData);
    }

    /**
     * Hands what is prepared to the kernel.
     *
     * @return how many operations it took, or a negative errno: -EAGAIN and -EBUSY are to be tried again after {@link #reap}
     */
    public int submit() {
        int count = prepared - submitted;
        if (count == 0) {
            return 0;
        }
        RawMemory.putIntRelease(sqTail, prepared);
        int result = enter(count, 0, deferred ? IORING_ENTER_GETEVENTS : 0);
        if (result > 0) {
            submitted += result;
        }
        return result;
    }

    /**
     * Takes the completions that are there, without waiting.
     *
     * @return how many
     */
    public int reap(CompletionHandler handler) {
        boolean pending = (RawMemory.getIntAcquire(sqFlags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
        if (pending || (polled && submitted != reaped && reaped == RawMemory.getIntAcquire(cqTail))) {
            enter(0, 0, IORING_ENTER_GETEVENTS);
        }
        int count = 0;
        while (reaped != RawMemory.getIntAcquire(cqTail)) {
            long entry = cqEntries + (reaped & cqMask) * CQE_SIZEOF;
            long userData = RawMemory.getLong(entry + CQE_USER_DATA);
            int result = RawMemory.getInt(entry + CQE_RES);
            reaped++;
            RawMemory.putIntRelease(cqHead, reaped);
            handler.complete(userData, result);
            count++;
        }
        return count;
    }

    /**
     * Takes back an operation that was submitted, if the kernel has not begun to carry it out.
     *
     * @param userData as given with the operation
     * @return 0: its completion is due at once, with -ECANCELED unless it was just done; or a negative errno: -ENOENT for one that the
     *     kernel knows nothing of or that a device has, -ETIME for one that is being carried out, -EINVAL before Linux 6.0
     */
    public int cancel(long userData) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = arena.allocate(SYNC_CANCEL_SIZEOF, Long.BYTES);
            request.set(JAVA_LONG, SYNC_CANCEL_ADDR, userData);
            request.set(JAVA_INT, SYNC_CANCEL_FD, -1);
            return SYSCALL.callInt(
                    SYS_IO_URING_REGISTER, ring.value(), IORING_REGISTER_SYNC_CANCEL, request.address(), 1);
        }
    }

    /**
     * Waits until at least one completion is there.
     *
     * @return 0, or a negative errno
     */
    public int await() {
        if (reaped != RawMemory.getIntAcquire(cqTail)) {
            return 0;
        }
        int result = enter(0, 1, IORING_ENTER_GETEVENTS);
        return Math.min(result, 0);
    }

    /** How many operations are prepared or submitted, and not reaped. */
    public int inFlight() {
        return prepared - reaped;
    }

    /** How many operations can be prepared before {@link #submit}. */
    public int room() {
        return sqSize - (prepared - RawMemory.getIntAcquire(sqHead));
    }

    /**
     * Gives the kernel a table of files, once. From now on an operation names its file by its place in it, counted from 0, and the
     * kernel does not look the descriptor up and count its users for each. The ring keeps the files open until {@link #close}.
     *
     * @throws ErrnoException EMFILE over RLIMIT_NOFILE, ENOMEM
     */
    public void registerFiles(Fd... files) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(JAVA_INT, files.length);
            for (int i = 0; i < files.length; i++) {
                table.setAtIndex(JAVA_INT, i, files[i].value());
            }
            int result = SYSCALL.callInt(
                    SYS_IO_URING_REGISTER, ring.value(), IORING_REGISTER_FILES, table.address(), files.length);
            ErrnoException.check(result, "io_uring_register FILES, " + files.length + " of them");
        }
        fixedFiles = true;
        entryFlags |= (long) IOSQE_FIXED_FILE << (Byte.SIZE * SQE_FLAGS);
    }

    /**
     * Makes a table of {@code count} places for buffers, once; they are empty at first.
     *
     * @return 0 or a negative errno: -EINVAL before Linux 5.19
     */
    public int registerBuffers(int count) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(RSRC_REGISTER_SIZEOF, Long.BYTES);
            table.set(JAVA_INT, RSRC_REGISTER_NR, count);
            table.set(JAVA_INT, RSRC_REGISTER_FLAGS, IORING_RSRC_REGISTER_SPARSE);
            int result = SYSCALL.callInt(
                    SYS_IO_URING_REGISTER,
                    ring.value(),
                    IORING_REGISTER_BUFFERS2,
                    table.address(),
                    RSRC_REGISTER_SIZEOF);
            fixedBuffers |= result == 0;
            return result;
        }
    }

    /**
     * Puts memory into a place of the table of buffers, and what was there out of it. Its pages are allocated and pinned, until it is put out or
     * the ring is closed: also when it is unmapped before that, so that an operation which names a buffer may reach memory that is nowhere mapped.
     *
     * @param length up to 1 GiB; 0 leaves the place empty
     * @return 0 or a negative errno: -ENOMEM over RLIMIT_MEMLOCK, -EFAULT or -EOPNOTSUPP for memory that cannot be pinned, or not be written
     */
    public int updateBuffer(int place, long address, long length) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment vector = arena.allocate(IOVEC_SIZEOF, Long.BYTES);
            vector.set(JAVA_LONG, IOVEC_BASE, length == 0 ? 0 : address);
            vector.set(JAVA_LONG, IOVEC_LEN, length);
            MemorySegment update = arena.allocate(RSRC_UPDATE2_SIZEOF, Long.BYTES);
            update.set(JAVA_INT, RSRC_UPDATE2_OFFSET, place);
            update.set(JAVA_LONG, RSRC_UPDATE2_DATA, vector.address());
            update.set(JAVA_INT, RSRC_UPDATE2_NR, 1);
            int result = SYSCALL.callInt(
                    SYS_IO_URING_REGISTER,
                    ring.value(),
                    IORING_REGISTER_BUFFERS_UPDATE,
                    update.address(),
                    RSRC_UPDATE2_SIZEOF);
            return Math.min(result, 0);
        }
    }

    /**
     * From now on operations go to threads of the kernel at once, for files that do not take a try that must not wait ({@link
     * FileIo#takesNoWait}). The kernel would find that out by itself, but of file systems whose files can be polled, as those in
     * user space, Linux 6.12 and newer try by waiting: {@link #submit} would not come back before the file system answers.
     */
    public void alwaysAsync() {
        entryFlags |= (long) IOSQE_ASYNC << (Byte.SIZE * SQE_FLAGS);
    }

    /** From now on every completion signals {@code eventFd}, while {@link #enableEventFd} says so. */
    public void registerEventFd(Fd eventFd) {
        try (Arena arena = Arena.ofConfined()) {
            long fd = arena.allocateFrom(JAVA_INT, eventFd.value()).address();
            int result = SYSCALL.callInt(SYS_IO_URING_REGISTER, ring.value(), IORING_REGISTER_EVENTFD, fd, 1);
            ErrnoException.check(result, "io_uring_register EVENTFD " + eventFd);
        }
    }

    /** Turns the signals of the registered eventfd on or off. A completion that came before is not signalled: reap after. */
    public void enableEventFd(boolean enable) {
        RawMemory.putIntRelease(cqFlags, enable ? 0 : IORING_CQ_EVENTFD_DISABLED);
        RawMemory.fullFence();
    }

    /** Releases the ring. Operations in flight are cancelled or run to their end on their own: wait for them first. */
    @Override
    public void close() {
        if (fixedFiles) {
            // The kernel takes a ring down later than it is closed, and a file's locks end with its last user.
            SYSCALL.callInt(SYS_IO_URING_REGISTER, ring.value(), IORING_UNREGISTER_FILES, 0, 0);
        }
        if (fixedBuffers) {
            SYSCALL.callInt(SYS_IO_URING_REGISTER, ring.value(), IORING_UNREGISTER_BUFFERS, 0, 0);
        }
        entries.close();
        rings.close();
        ring.close();
    }

    private boolean prepare(
            byte opcode, int fd, long address, int length, long offset, int operationFlags, int buffer, long userData) {
        if (room() == 0) {
            return false;
        }
        long entry = entries.address() + (prepared & sqMask) * SQE_SIZEOF;
        // The first eight bytes are opcode, flags, ioprio and fd.
        RawMemory.putLong(entry + SQE_OPCODE, opcode | entryFlags | (long) fd << 32);
        RawMemory.putLong(entry + SQE_OFF, offset);
        RawMemory.putLong(entry + SQE_ADDR, address);
        RawMemory.putInt(entry + SQE_LEN, length);
        RawMemory.putInt(entry + SQE_OP_FLAGS, operationFlags);
        RawMemory.putLong(entry + SQE_USER_DATA, userData);
        RawMemory.putLong(entry + SQE_BUF_INDEX, buffer);
        RawMemory.putLong(entry + SQE_ADDR3, 0);
        RawMemory.putLong(entry + SQE_PAD, 0);
        prepared++;
        return true;
    }

    private int enter(int toSubmit, int minComplete, int flags) {
        while (true) {
            int result = syscall.callInt(SYS_IO_URING_ENTER, ring.value(), toSubmit, minComplete, flags, NO_SIGNALS);
            if (result != -EINTR) {
                return result;
            }
        }
    }

    private static IoUring createFor(int entries, int purpose) {
        try {
            return create(entries, DEFERRED | purpose);
        } catch (ErrnoException e) {
            // Kernels before 6.1 know fewer flags.
            if (e.errno() != EINVAL) {
                throw e;
            }
            return create(entries, IORING_SETUP_CLAMP | purpose);
        }
    }

    private static IoUring create(int entries, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = arena.allocate(PARAMS_SIZEOF, Long.BYTES);
            params.set(JAVA_INT, PARAMS_FLAGS, flags);
            int fd = SYSCALL.callInt(SYS_IO_URING_SETUP, entries, params.address());
            String what = "io_uring_setup entries=" + entries;
            Fd ring = Fd.own((int) ErrnoException.check(fd, what));
            try {
                int needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP;
                if ((params.get(JAVA_INT, PARAMS_FEATURES) & needed) != needed) {
                    throw new ErrnoException(ENOSYS, what + ": needs Linux 5.5");
                }
                return new IoUring(ring, params, flags);
            } catch (ErrnoException e) {
                ring.close();
                throw e;
            }
        }
    }
}
