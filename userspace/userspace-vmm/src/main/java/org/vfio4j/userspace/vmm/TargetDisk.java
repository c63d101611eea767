package org.vfio4j.userspace.vmm;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/** Storage that is overwritten by what comes with a guest. Ranges are in it, and whole sectors. Belongs to the migration's thread. */
public interface TargetDisk {

    long sizeBytes();

    /** @throws ErrnoException ENOSPC when there is no room, or why else it cannot be written */
    void write(long offset, MemorySegment from);

    /**
     * Makes a range read as zeroes.
     *
     * @throws ErrnoException as {@link #write}
     */
    void zero(long offset, long length);

    /**
     * Makes stable what was written.
     *
     * @throws ErrnoException what the storage says, which may be about any earlier write
     */
    void sync();
}
