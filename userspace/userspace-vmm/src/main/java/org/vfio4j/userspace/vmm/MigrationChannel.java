package org.vfio4j.userspace.vmm;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * Bytes to and from another hypervisor, in order. One thread reads and one writes, or one does both; any thread may {@link #close}, which
 * ends their calls.
 */
public interface MigrationChannel extends AutoCloseable {

    /**
     * Sends all of several pieces.
     *
     * @throws ErrnoException ECONNRESET when the peer is gone, ETIMEDOUT when it takes nothing for too long, ECANCELED when the channel was
     *     closed here
     */
    void write(List<MemorySegment> pieces);

    /**
     * Receives what there is, at least one byte.
     *
     * @return how much; -1 when the peer has ended the stream
     * @throws ErrnoException as {@link #write}
     */
    int read(MemorySegment into);

    @Override
    void close();
}
