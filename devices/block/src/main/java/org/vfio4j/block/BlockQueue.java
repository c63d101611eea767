package org.vfio4j.block;

import java.util.function.Supplier;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MappingSet;

/**
 * Requests to a {@link BlockBackend} from one thread, which opened it. Each request has a tag that is free again once {@link
 * #poll} has delivered its completion. No call allocates.
 *
 * <p>Data moves to and from an array of {@code struct iovec} at a raw address, which stays the queue's until completion: it may
 * change the array to go on after a short transfer. Offsets and lengths are bytes and multiples of {@link
 * BlockBackend#SECTOR_BYTES}. A request past the end of the storage completes with -EINVAL, a write to read-only storage with
 * -EROFS; nothing throws.
 */
public interface BlockQueue extends AutoCloseable {

    void readv(long offset, long iov, int iovCount, int tag);

    void writev(long offset, long iov, int iovCount, int tag);

    /** Completes when every write that was completed before is on stable storage. */
    void flush(int tag);

    /** Says that nobody needs these bytes. They read as zeroes afterwards where the storage can do that cheaply. */
    void discard(long offset, long length, int tag);

    /**
     * Makes these bytes zeroes.
     *
     * @param mayUnmap whether their space may be given back
     */
    void writeZeroes(long offset, long length, boolean mayUnmap, int tag);

    /**
     * Takes back a request that is in flight, where it still can: of a request that has begun nothing can be taken back, since the
     * storage may be writing to its memory.
     *
     * @return whether: {@link #poll} then delivers its completion without waiting for the storage, with -ECANCELED unless it was just
     *     done. If not, it goes on as if nothing had been asked
     */
    default boolean cancel(int tag) {
        return false;
    }

    /**
     * Where the owner's memory is, for a queue that prepares for the memory that requests use. It asks before each request: what is there
     * then stays mapped until the request completes. Memory that is not there is used as any other.
     */
    default void use(Supplier<MappingSet> memory) {}

    /** Ends a batch: requests made before are on their way when it returns. */
    void submit();

    /** Delivers the completions that are there, without waiting, and returns how many. */
    int poll(BlockCompletion handler);

    /** Requests whose completion is not delivered yet. */
    int inFlight();

    /** From now on {@link #arm} makes completions signal {@code eventFd}, which the caller owns and closes after this queue. */
    void wakeBy(Fd eventFd);

    /** Makes completions that come from now on signal the eventfd of {@link #wakeBy}. Poll once more before sleeping. */
    void arm();

    /** Stops the signals. */
    void disarm();

    /** Waits for what is in flight, drops its completions, and releases the queue. */
    @Override
    void close();
}
