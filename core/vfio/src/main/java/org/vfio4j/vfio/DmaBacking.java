package org.vfio4j.vfio;

import java.util.Optional;
import org.vfio4j.bus.DmaMemory;

/**
 * Memory of a DMA map that is not mapped into this process. Offsets count from the start of the map; host addresses are this
 * process's. Called by queue threads, several at a time.
 */
public interface DmaBacking extends AutoCloseable {

    /**
     * Whether an access may wait for the user. If so, the window is offline during it and the backing stays usable (answering
     * -ENOTCONN or -ECANCELED) after {@link #close}.
     */
    boolean isRemote();

    /** Copies memory to {@code hostAddress}: 0 or a negative errno. */
    int read(long offset, long hostAddress, long length);

    /** Copies from {@code hostAddress} to memory: 0 or a negative errno. */
    int write(long offset, long hostAddress, long length);

    /** What the map is of, for those who follow the space; empty for memory that has no descriptor. */
    default Optional<DmaMemory> memory() {
        return Optional.empty();
    }

    /** The map is gone and no window uses it any more. */
    @Override
    void close();
}
