package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.ENOTTY;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * An open VFIO device as its user sees it: what a device descriptor is to a user of /dev/vfio. A local device and the client of
 * a remote one implement it alike, so a driver in user space does not care which it sits on.
 *
 * <p>Calls of several threads are not ordered by it: one thread at a time. Failures are {@link ErrnoException}s.
 */
public interface VfioDeviceFile extends AutoCloseable {

    VfioDeviceInfo info();

    /** @throws ErrnoException EINVAL for an index that the device does not have */
    VfioRegionInfo regionInfo(int index);

    /**
     * Memory behind a region, for the caller to map; empty when there is none. It stays the file's.
     *
     * @throws ErrnoException EINVAL for an index that the device does not have
     */
    default Optional<VfioRegionMemory> regionMemory(int index) {
        return Optional.empty();
    }

    /**
     * Registers of a region that can be written by signalling an eventfd: {@code VFIO_USER_DEVICE_GET_REGION_IO_FDS}. They stay
     * the file's. Of a server that is not trusted they are signalled by {@link org.vfio4j.sys.SharedEventFd}, which does not wait for it.
     *
     * @throws ErrnoException EINVAL for an index or a region that the device does not have
     */
    default List<VfioIoEventFd> ioEventFds(int index) {
        return List.of();
    }

    /** @throws ErrnoException EINVAL for an index that the device does not have */
    VfioIrqInfo irqInfo(int index);

    /**
     * {@code VFIO_DEVICE_SET_IRQS}. Takes over the descriptors of {@code set} whether it succeeds or not.
     *
     * @throws ErrnoException EINVAL for an illegal combination of index, range, data and action; ENOTTY for a legal one that
     *     this index does not support
     */
    void setIrqs(VfioIrqSet set);

    /**
     * Reads {@code count} bytes of a region into {@code buffer} from byte {@code at} on. Allocates nothing.
     *
     * @throws ErrnoException EINVAL for a region or range that does not exist; EIO when the device does not decode
     */
    void read(int region, long offset, MemorySegment buffer, long at, int count);

    /** Writes {@code count} bytes of {@code buffer}, from byte {@code at} on, to a region; otherwise as {@link #read}. */
    void write(int region, long offset, MemorySegment buffer, long at, int count);

    /**
     * {@code VFIO_DEVICE_FEATURE}: reads a feature, changes it, or with PROBE asks whether it could be.
     *
     * @param flags a {@code VFIO_DEVICE_FEATURE_*} index and {@code VFIO_DEVICE_FEATURE_GET}, {@code _SET}, {@code _PROBE}
     * @param data the data for SET; for GET what is asked, where the feature is asked something, and room for the answer. As
     *     the vfio-user protocol lays it out: arrays that the kernel has pointers to follow their structure. A SET overwrites
     *     what the feature chose: DMA_LOGGING_START the page size, MIG_DEVICE_STATE the data_fd, which is always -1
     * @return bytes of data that GET has written; 0 for SET and PROBE
     * @throws ErrnoException ENOTTY for a feature that the device does not have; EINVAL for unknown flags, GET and SET at once
     *     without PROBE, an operation that the feature does not have, or data that is too short
     */
    int feature(int flags, MemorySegment data);

    /**
     * {@code VFIO_DEVICE_FEATURE} with SET, for a feature that takes a descriptor; otherwise as {@link #feature(int,
     * MemorySegment)}.
     *
     * @param descriptor stands for the number that the feature's structure has of it. Taken over whether this succeeds or not
     * @throws ErrnoException also EINVAL for a feature that takes none and for GET, and ENOTTY for a device that none can be sent to
     */
    default void feature(int flags, MemorySegment data, Fd descriptor) {
        descriptor.close();
        throw new ErrnoException(ENOTTY, "set a device feature with a descriptor, which cannot be sent");
    }

    /**
     * Reads the next bytes of the device's state, in PRE_COPY or STOP_COPY ({@code VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE}).
     *
     * @return how many came; 0 at the end
     * @throws ErrnoException ENOMSG in PRE_COPY when there is nothing now; EINVAL in any other state; ENOTTY for a device that
     *     cannot migrate
     */
    default int migrationRead(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(ENOTTY, "read migration data of a device that cannot migrate");
    }

    /**
     * Writes the next bytes of a device's state, in RESUMING.
     *
     * @throws ErrnoException EINVAL in any other state, and what the driver says to the data; ENOTTY for a device that cannot
     *     migrate
     */
    default void migrationWrite(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(ENOTTY, "write migration data of a device that cannot migrate");
    }

    /** {@code VFIO_DEVICE_RESET}. */
    void reset();

    /**
     * Maps memory for the device to master.
     *
     * @param iova where the device sees it
     * @param sizeBytes how much, a multiple of the page size
     * @param access {@code DmaSpace.READ}, {@code DmaSpace.WRITE} or both
     * @param memory descriptor of the memory; the caller keeps it
     * @param offset where in the descriptor it begins
     * @throws ErrnoException EINVAL for a bad range, EEXIST when it overlaps another, ENOSPC when there are too many
     */
    void dmaMap(long iova, long sizeBytes, int access, Fd memory, long offset);

    /**
     * Unmaps exactly what one {@link #dmaMap} mapped; the device uses it no more when this returns.
     *
     * @throws ErrnoException ENOENT when there is no such map
     */
    void dmaUnmap(long iova, long sizeBytes);

    /**
     * Unmaps as {@link #dmaUnmap(long, long)}, and tells which pages of the map the device has written since they were last
     * reported: {@code VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP}. What is told is forgotten.
     *
     * @param pageSizeBytes what one bit stands for: a power of two, 4096 or more; not necessarily what is logged
     * @param bitmap one bit for each page of the map, from bit 0 of a little-endian u64 on: {@code 8 * ceil(ceil(sizeBytes /
     *     pageSizeBytes) / 64)} bytes, all of which are overwritten, at its beginning
     * @throws ErrnoException ENOENT when there is no such map; EINVAL when the device's writes are not logged, for any other
     *     page size, or for a bitmap that is too short: nothing is unmapped then; ENOTTY for a device that cannot log
     */
    default void dmaUnmap(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {
        throw new ErrnoException(ENOTTY, "DMA unmap with a dirty bitmap of a device that cannot log");
    }

    /** Unmaps everything that {@link #dmaMap} mapped; the device uses none of it any more when this returns. */
    default void dmaUnmapAll() {
        throw new ErrnoException(ENOTTY, "DMA unmap of everything");
    }

    /** Lets go of the device, which is reset unless it is a remote server's affair. */
    @Override
    void close();
}
