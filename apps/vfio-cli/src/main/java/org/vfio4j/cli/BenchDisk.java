package org.vfio4j.cli;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.dma.DmaMemory;

/** A disk as a measurement sees it, whatever driver it has. Opened and closed by one thread; each queue belongs to one. */
interface BenchDisk extends AutoCloseable {

    /** One of a disk's queues; the methods are those of the drivers' queues. */
    interface Queue {

        int depth();

        int inFlight();

        boolean read(long offset, long buffer, int length, int tag);

        boolean write(long offset, long buffer, int length, int tag);

        void kick();

        int poll(BenchCompletion handler);

        boolean hasCompletions();

        boolean await(long timeoutNs);
    }

    /** What it is, and how it is driven. */
    String describe();

    long capacityBytes();

    /** What every request is a multiple of. */
    int blockSize();

    int maxTransferBytes();

    boolean readOnly();

    int queueCount();

    Queue queue(int index);

    DmaMemory memory();

    /** @throws ErrnoException when the device has failed */
    void check();

    @Override
    void close();
}
