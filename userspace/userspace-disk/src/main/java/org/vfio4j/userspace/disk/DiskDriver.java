package org.vfio4j.userspace.disk;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * A driver that has brought a disk into use, as those see it who do not care which kind it is. One thread opens and closes it; each
 * {@link #queue} belongs to a thread of the user's choice.
 */
public interface DiskDriver extends AutoCloseable {

    long capacityBytes();

    /** What offsets and lengths of requests are multiples of: a power of two from 512 on. */
    int sectorBytes();

    /** The most that one read or write moves. */
    int maxTransferBytes();

    boolean readOnly();

    int queueCount();

    DiskQueue queue(int index);

    /** Memory for buffers. */
    DmaMemory memory();

    /**
     * Asks the device how it is: for users whose requests do not complete.
     *
     * @throws ErrnoException EIO when it has failed; ENOTCONN when its server is gone
     */
    void check();

    /**
     * What another driver of this kind needs to go on with the disk, apart from the memory. No thread uses a queue meanwhile; requests may
     * be in flight. From then on there are two drivers of one disk, of which only one may go on: see {@link #forget}.
     */
    byte[] save();

    /** Lets go of a disk that another driver goes on with: takes interrupts and memory from this device, and leaves it as it is. */
    void forget();

    /** Takes the disk out of use, and interrupts and memory from it. The queues must not be in use. */
    @Override
    void close();
}
