package org.vfio4j.block;

/**
 * The storage that a disk stands on. It may be shared by threads; the queues that it opens may not. Whoever opened it closes it,
 * after its queues.
 */
public interface BlockBackend extends AutoCloseable {

    /** The unit of sizes and offsets everywhere. */
    int SECTOR_BYTES = 512;

    /** Bytes, a multiple of {@link #SECTOR_BYTES}. */
    long sizeBytes();

    /** What an access is best aligned to and a multiple of: at least {@link #SECTOR_BYTES}, a power of two. */
    int physicalBlockBytes();

    boolean readOnly();

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
