package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.sys.Errno.ENOTTY;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.DmaMap;
import org.vfio4j.uapi.VfioUser.DmaUnmap;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioDeviceFile;

/** DMA_MAP and DMA_UNMAP: which memory of the client the device may master. Belongs to the connection's owner. */
final class DmaCommands {

    private static final int MAX_ARGSZ = 1 << 20;

    // Two hints that libvfio-user's clients give: map the descriptor, or use read and write on it.
    private static final int MAP_MMAP = 1 << 2;
    private static final int MAP_FILE_IO = 1 << 3;
    private static final int MAP_KNOWN = DmaMap.FLAGS_READ | DmaMap.FLAGS_WRITE | MAP_MMAP | MAP_FILE_IO;

    private final VfioDeviceFile file;
    private final IoAddressSpace space;
    private final DmaRequests requests;
    private final VfioUserServerOptions options;
    private final ClientMaps maps = new ClientMaps();
    private boolean mapsMessages;

    /** @param space what {@code file} is attached to */
    DmaCommands(VfioDeviceFile file, IoAddressSpace space, DmaRequests requests, VfioUserServerOptions options) {
        this.file = file;
        this.space = space;
        this.requests = requests;
        this.options = options;
    }

    /** Whether the client has ever had memory that is reached by messages, which only a loop that does not wait can pass on. */
    boolean mapsMessages() {
        return mapsMessages;
    }

    void map(Message request) {
        request.requireArgsz(DmaMap.SIZEOF);
        int flags = request.u32(DmaMap.FLAGS);
        long offset = request.u64(DmaMap.OFFSET);
        long iova = request.u64(DmaMap.ADDR);
        long size = request.u64(DmaMap.SIZE);
        int access = checkedAccess(flags, request.fdCount());
        if (space.contains(iova, size, access)) {
            return;
        }
        if (space.size() >= options.maxDmaMaps()) {
            throw new ErrnoException(EINVAL, "DMA_MAP: the limit is " + options.maxDmaMaps() + " maps");
        }
        if (Long.compareUnsigned(size, IoAddressSpace.MAX_MAP_BYTES) > 0) {
            throw new ErrnoException(
                    ENOSPC,
                    "DMA_MAP: size 0x" + Long.toHexString(size) + ", the limit is " + IoAddressSpace.MAX_MAP_BYTES);
        }
        boolean byFileIo = isByFileIo(flags);
        if (request.fdCount() == 0) {
            mapMessages(new ClientMaps.Map(iova, size, access, offset, byFileIo, false, Optional.empty()));
            return;
        }
        Fd memory = request.takeFd(0);
        Optional<MemoryFiles.Kept> kept = keep(memory);
        mapFile(new ClientMaps.Map(iova, size, access, offset, byFileIo, true, kept), memory);
    }

    /** What the client has mapped. */
    ClientMaps maps() {
        return maps;
    }

    /**
     * Maps what a client had asked another server for.
     *
     * @param memory its descriptor, owned by this object from now on; none for memory that is reached by messages
     */
    void mapAgain(ClientMaps.Map asked, Optional<Fd> memory) {
        if (memory.isPresent()) {
            Fd own = memory.get();
            mapFile(asked.withFile(keep(own)), own);
        } else {
            mapMessages(asked);
        }
    }

    private Optional<MemoryFiles.Kept> keep(Fd memory) {
        try {
            return maps.keep(memory);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    private void mapMessages(ClientMaps.Map asked) {
        mapsMessages = true;
        space.map(asked.iova(), asked.size(), asked.access(), new MessageBacking(requests, asked.iova()));
        maps.add(asked);
    }

    private void mapFile(ClientMaps.Map asked, Fd memory) {
        try {
            new SharedMemory(memory, asked.offset(), asked.size(), asked.access())
                    .mapInto(space, asked.iova(), asked.byFileIo(), options.trustClient());
        } catch (RuntimeException e) {
            maps.forget(asked.file());
            throw e;
        }
        maps.add(asked);
    }

    void unmap(Message request, OutMessage reply) {
        request.requireArgsz(DmaUnmap.SIZEOF);
        int argsz = request.u32(DmaUnmap.ARGSZ);
        int flags = request.u32(DmaUnmap.FLAGS);
        long iova = request.u64(DmaUnmap.ADDR);
        long size = request.u64(DmaUnmap.SIZE);
        if (Integer.compareUnsigned(argsz, MAX_ARGSZ) > 0) {
            throw new ErrnoException(EINVAL, "DMA_UNMAP: argsz " + Integer.toUnsignedLong(argsz));
        }
        reply.repeat(request, DmaUnmap.SIZEOF);
        reply.setPayloadSize(DmaUnmap.SIZEOF);
        if (flags == 0) {
            space.unmap(iova, size);
            maps.remove(iova);
        } else if (flags == DmaUnmap.FLAGS_GET_DIRTY_BITMAP) {
            unmapDirty(request, reply, iova, size);
        } else if (flags == DmaUnmap.FLAGS_ALL && iova == 0 && size == 0) {
            space.unmapAll();
            maps.removeAll();
        } else {
            throw new ErrnoException(
                    EINVAL,
                    "DMA_UNMAP: flags 0x" + Integer.toHexString(flags)
                            + (flags == DmaUnmap.FLAGS_ALL ? " need address 0 and size 0" : " are unknown"));
        }
    }

    /** The bitmap goes from the device right into the reply. */
    private void unmapDirty(Message request, OutMessage reply, long iova, long size) {
        request.requirePayload(DmaUnmap.BITMAP_DATA);
        long pageSize = request.u64(DmaUnmap.BITMAP_PGSIZE);
        long bitmapSize = request.u64(DmaUnmap.BITMAP_SIZE);
        long room = (long) request.u32(DmaUnmap.ARGSZ) - DmaUnmap.BITMAP_DATA;
        if (bitmapSize < 0 || bitmapSize > room) {
            throw new ErrnoException(
                    EINVAL,
                    "DMA_UNMAP: a bitmap of " + Long.toUnsignedString(bitmapSize) + " bytes, argsz has room for "
                            + Math.max(room, 0));
        }
        MemorySegment bitmap = reply.payload().asSlice(DmaUnmap.BITMAP_DATA, bitmapSize);
        bitmap.fill((byte) 0);
        try {
            file.dmaUnmap(iova, size, pageSize, bitmap);
        } catch (ErrnoException e) {
            // A device that cannot log is one that does not, to this client.
            throw e.errno() == ENOTTY ? new ErrnoException(EINVAL, "DMA_UNMAP: the device cannot log") : e;
        } finally {
            // A bitmap that could not be read does not bring the map back.
            if (!space.overlaps(iova, 1)) {
                maps.remove(iova);
            }
        }
        reply.repeat(request, DmaUnmap.BITMAP_DATA);
        reply.setPayloadSize(DmaUnmap.BITMAP_DATA + (int) bitmapSize);
    }

    /** Whether a client that gives these flags wants its file read and written rather than mapped. */
    static boolean isByFileIo(int flags) {
        return (flags & MAP_FILE_IO) != 0;
    }

    private static int checkedAccess(int flags, int fds) {
        boolean needsFd = (flags & (MAP_MMAP | MAP_FILE_IO)) != 0;
        boolean legal = (flags & ~MAP_KNOWN) == 0 && (flags & (DmaMap.FLAGS_READ | DmaMap.FLAGS_WRITE)) != 0;
        if (!legal || fds > 1 || (needsFd && fds == 0)) {
            throw new ErrnoException(
                    EINVAL, "DMA_MAP: flags 0x" + Integer.toHexString(flags) + " with " + fds + " descriptors");
        }
        return ((flags & DmaMap.FLAGS_READ) != 0 ? DmaSpace.READ : 0)
                | ((flags & DmaMap.FLAGS_WRITE) != 0 ? DmaSpace.WRITE : 0);
    }
}
