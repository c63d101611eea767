package org.vfio4j.userspace.vmm;

import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;
import org.vfio4j.sys.ErrnoException;

/**
 * The storage of a guest's disk that goes along with the guest: it is read while the guest writes it. What is written meanwhile is known,
 * block by block, from before the migration's begin. Belongs to the migration's thread.
 */
public interface SourceDisk {

    long sizeBytes();

    /** The unit in which it is known what was written: a power of two, at least a sector. The last block may be cut short. */
    int blockBytes();

    /**
     * Names each block that was written since the last time. A write that completed before is in what {@link #read} gives, or its
     * block is named the next time.
     */
    void takeWritten(IntConsumer block);

    /**
     * Reads all of a range that is in the storage.
     *
     * @throws ErrnoException why it cannot be read
     */
    void read(long offset, MemorySegment into);
}
