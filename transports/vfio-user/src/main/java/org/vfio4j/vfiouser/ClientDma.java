package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_MAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_UNMAP;

import java.lang.foreign.MemorySegment;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.DmaMap;
import org.vfio4j.uapi.VfioUser.DmaUnmap;

/** The client's DMA_MAP and DMA_UNMAP. Belongs to the client's thread. */
final class ClientDma {

    private static final int MAX_ARGSZ = 1 << 20;

    private final ClientChannel channel;
    private final LocalMemory memory;

    /** @param memory gets what is mapped without a descriptor */
    ClientDma(ClientChannel channel, LocalMemory memory) {
        this.channel = channel;
        this.memory = memory;
    }

    void map(long iova, long sizeBytes, int access, Fd descriptor, long offset) {
        putMap(iova, sizeBytes, access, offset);
        channel.call(VFIO_USER_DMA_MAP, 0, new int[] {descriptor.value()}, 1);
        channel.done();
    }

    void map(long iova, int access, MemorySegment local) {
        if (memory.contains(iova)) {
            throw new ErrnoException(EEXIST, "DMA map at iova 0x" + Long.toHexString(iova));
        }
        memory.add(iova, access, local);
        // Before the server is told: it may ask as soon as it knows.
        try {
            putMap(iova, local.byteSize(), access, 0);
            channel.call(VFIO_USER_DMA_MAP, 0);
        } catch (ErrnoException e) {
            memory.remove(iova);
            throw e;
        }
        channel.done();
    }

    void unmap(long iova, long sizeBytes) {
        putUnmap(DmaUnmap.SIZEOF, 0, iova, sizeBytes).setPayloadSize(DmaUnmap.SIZEOF);
        channel.call(VFIO_USER_DMA_UNMAP, DmaUnmap.SIZEOF);
        channel.done();
        memory.remove(iova);
    }

    void unmap(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {
        long needed = bitmapSize(iova, sizeBytes, pageSizeBytes);
        if (bitmap.byteSize() < needed || needed > MAX_ARGSZ - DmaUnmap.BITMAP_DATA) {
            throw new ErrnoException(
                    EINVAL,
                    "DMA unmap: a bitmap of " + bitmap.byteSize() + " bytes, " + needed + " are needed, the limit is "
                            + (MAX_ARGSZ - DmaUnmap.BITMAP_DATA));
        }
        int payload = DmaUnmap.BITMAP_DATA + (int) needed;
        OutMessage request = putUnmap(payload, DmaUnmap.FLAGS_GET_DIRTY_BITMAP, iova, sizeBytes);
        request.putLong(DmaUnmap.BITMAP_PGSIZE, pageSizeBytes);
        request.putLong(DmaUnmap.BITMAP_SIZE, needed);
        request.setPayloadSize(DmaUnmap.BITMAP_DATA);
        Message reply = channel.call(VFIO_USER_DMA_UNMAP, payload);
        MemorySegment.copy(reply.buffer(), reply.payloadAt() + DmaUnmap.BITMAP_DATA, bitmap, 0, needed);
        channel.done();
        memory.remove(iova);
    }

    void unmapAll() {
        putUnmap(DmaUnmap.SIZEOF, DmaUnmap.FLAGS_ALL, 0, 0).setPayloadSize(DmaUnmap.SIZEOF);
        channel.call(VFIO_USER_DMA_UNMAP, DmaUnmap.SIZEOF);
        channel.done();
        memory.removeAll();
    }

    private static long bitmapSize(long iova, long sizeBytes, long pageSizeBytes) {
        if (pageSizeBytes <= 0 || Long.bitCount(pageSizeBytes) != 1 || sizeBytes <= 0) {
            throw new ErrnoException(
                    EINVAL,
                    "DMA unmap iova 0x" + Long.toHexString(iova) + " size 0x" + Long.toHexString(sizeBytes)
                            + " with pages of " + pageSizeBytes + " bytes");
        }
        long pages = (sizeBytes - 1) / pageSizeBytes + 1;
        return ((pages - 1) / Long.SIZE + 1) * Long.BYTES;
    }

    private void putMap(long iova, long sizeBytes, int access, long offset) {
        int flags = ((access & DmaSpace.READ) != 0 ? DmaMap.FLAGS_READ : 0)
                | ((access & DmaSpace.WRITE) != 0 ? DmaMap.FLAGS_WRITE : 0);
        OutMessage request = channel.begin();
        request.putInt(DmaMap.ARGSZ, DmaMap.SIZEOF);
        request.putInt(DmaMap.FLAGS, flags);
        request.putLong(DmaMap.OFFSET, offset);
        request.putLong(DmaMap.ADDR, iova);
        request.putLong(DmaMap.SIZE, sizeBytes);
        request.setPayloadSize(DmaMap.SIZEOF);
    }

    private OutMessage putUnmap(int argsz, int flags, long iova, long sizeBytes) {
        OutMessage request = channel.begin();
        request.putInt(DmaUnmap.ARGSZ, argsz);
        request.putInt(DmaUnmap.FLAGS, flags);
        request.putLong(DmaUnmap.ADDR, iova);
        request.putLong(DmaUnmap.SIZE, sizeBytes);
        return request;
    }
}
