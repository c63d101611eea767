package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * The storage that a disk stands on. It may be shared by threads; the queues that it opens may not. Whoever opened it closes it,
 * after its queues.
 */
public interface BlockBackend extends AutoCloseable {

    /** The unit of sizes and offsets everywhere. */
    int SECTOR_BYTES = 512;

    /** Bytes, a multiple of {@link #SECTOR_BYTES}. It may grow while queues are open, and never shrinks. From any thread. */
    long sizeBytes();

    /** What an access is best aligned to and a multiple of: at least {@link #SECTOR_BYTES}, a power of two. */
    int physicalBlockBytes();

    boolean readOnly();

    /**
     * Makes it larger, while its queues are in use: they take requests for what is new once this returns. From any thread.
     *
     * @param sizeBytes a multiple of {@link #SECTOR_BYTES}, no less than now
     * @throws ErrnoException EINVAL for another size, EOPNOTSUPP when this storage cannot grow, or why it did not
     */
    default void grow(long sizeBytes) {
        throw new ErrnoException(EOPNOTSUPP, "resize of " + describe());
    }

    /**
     * Claims it for this process, against others that would use it at the same time. Who opens it does so, unless it is opened for
     * later.
     *
     * @throws ErrnoException EBUSY when another process has it
     */
    default void claim() {}

    /** Takes the claim back: another process may have it, which this one gives way to. Its queues are idle. */
    default void release() {}

    /** Whether this process has it: storage that only one process can have at all, always. */
    default boolean isClaimed() {
        return true;
    }

    /** Memory that it is all in, for another process to go on with; a duplicate, the caller's. Empty for other storage. */
    default Optional<Fd> shareMemory() {
        return Optional.empty();
    }

    /**
     * Opens what it holds for another process to copy: byte n is at offset n. It is no claim of the storage.
     *
     * @param writable whether it is to be overwritten; nobody uses the storage then
     * @return the caller's
     * @throws ErrnoException EOPNOTSUPP for storage that has no descriptor, EROFS for a write to what is read-only
     */
    default Fd openData(boolean writable) {
        throw new ErrnoException(EOPNOTSUPP, "copy of " + describe());
    }

    /** What it is, for people: as {@code file disk.img (io_uring)}. */
    String describe();

    /**
     * Opens a queue for the calling thread, which owns it.
     *
     * @param depth how many requests may be in flight; their tags are 0 to {@code depth - 1}
     */
    BlockQueue openQueue(int depth);

    @Override
    void close();
}
