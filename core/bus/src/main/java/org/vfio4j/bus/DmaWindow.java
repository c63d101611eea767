package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EFAULT;
import static org.vfio4j.sys.Errno.ENOENT;

import org.vfio4j.sys.MappingSet;

/**
 * One thread's view of a {@link DmaSpace}; every method but {@link #close} belongs to that thread.
 *
 * <p>Between {@link #enter} and {@link #leave} the window is online, and memory that it has translated stays mapped even if
 * the user unmaps it meanwhile: the unmap waits. The thread's side of that bargain is to leave soon after
 * {@link #yieldRequested} turns true, with nothing in flight that still points into guest memory.
 *
 * <p>Host addresses are addresses of this process, for {@code org.vfio4j.sys.RawMemory}. Errors are negative errno values.
 */
public interface DmaWindow extends AutoCloseable {

    /** Goes online on the newest state of the space. */
    void enter();

    /** Goes offline: no address translated before may be used any more, by this thread or by I/O that it started. */
    void leave();

    /** Whether somebody waits for this window to leave. A plain volatile read, cheap enough for every pass of a loop. */
    boolean yieldRequested();

    /**
     * Changes whenever the maps of the space that this window sees have changed: translations are good across {@link #leave}
     * and {@link #enter} for as long as the generation stays the same.
     */
    long generation();

    /**
     * Memory of the space that this process has mapped in large pieces, to be read and written: some of it, for storage that prepares for
     * such memory. It changes in {@link #enter} alone, and is another object whenever it has changed.
     */
    default MappingSet mappings() {
        return MappingSet.EMPTY;
    }

    /**
     * Translates a range.
     *
     * @param iova first byte
     * @param length bytes, greater than 0
     * @param access {@link DmaSpace#READ}, {@link DmaSpace#WRITE} or both
     * @return the host address of the range; 0 when every byte is accessible but not as one mapped piece, so that only
     *     {@link #read} and {@link #write} reach it; -ENOENT when some byte is in no map; -EACCES when the access is not
     *     allowed
     */
    long translate(long iova, long length, int access);

    /**
     * Copies from the space to this process, whatever the memory stands on. May wait for the user to answer, and is offline
     * meanwhile: earlier translations are void afterwards, and nothing may be in flight. A range may cross maps.
     *
     * @return 0, or -ENOENT, -EACCES as {@link #translate} has them; -EFAULT when a map's memory is not there any more; or what
     *     the memory's owner answered; -ECANCELED when the wait was cut short by a reset, -ENOTCONN when the user is gone
     */
    int read(long iova, long hostAddress, long length);

    /** Copies from this process to the space; otherwise as {@link #read}. */
    int write(long iova, long hostAddress, long length);

    /**
     * Tells that memory was written through a host address that {@link #translate} gave, so that a migration copies it again:
     * after the write and before {@link #leave}. {@link #write} does so itself. Costs one branch while nobody logs.
     *
     * @param length bytes, greater than 0
     */
    void markDirty(long iova, long length);

    /** Gives the window up; it is offline from then on. */
    @Override
    void close();

    /**
     * Whether a result of {@link #translate}, {@link #read} or {@link #write} says that there is no such memory to access so: a
     * mistake of the function's driver, which trying again does not mend.
     */
    static boolean isFault(long result) {
        return result == -ENOENT || result == -EACCES || result == -EFAULT;
    }
}
