package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.E2BIG;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOSYS;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_WRITE;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.TreeMap;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.uapi.VfioUser.DmaAccess;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * A client's memory that it maps for the device without a descriptor, and the answers to the server's requests for it:
 * DMA_READ and DMA_WRITE. Belongs to the client's thread.
 */
final class LocalMemory {

    private record Area(long iova, int access, MemorySegment memory) {}

    private final TreeMap<Long, Area> areas = new TreeMap<>(Long::compareUnsigned);

    void add(long iova, int access, MemorySegment memory) {
        areas.put(iova, new Area(iova, access, memory));
    }

    boolean contains(long iova) {
        return areas.containsKey(iova);
    }

    void remove(long iova) {
        areas.remove(iova);
    }

    void removeAll() {
        areas.clear();
    }

    /** Answers a request of the server: {@code reply} is the whole message. */
    void answerTo(Message request, OutMessage reply) {
        reply.begin();
        int errno = answer(request, reply);
        if (errno != 0) {
            reply.begin();
        }
        int flags = errno != 0 ? Header.FLAGS_TYPE_REPLY | Header.FLAGS_ERROR : Header.FLAGS_TYPE_REPLY;
        reply.putHeader(request.id(), request.command(), flags, errno);
    }

    /** The payload of an answer: 0, or the errno of an error reply. */
    private int answer(Message request, OutMessage reply) {
        return switch (request.command()) {
            case VFIO_USER_DMA_READ -> access(request, reply, DmaSpace.READ);
            case VFIO_USER_DMA_WRITE -> access(request, reply, DmaSpace.WRITE);
            default -> ENOSYS;
        };
    }

    private int access(Message request, OutMessage reply, int access) {
        if (request.payloadSize() < DmaAccess.SIZEOF || request.fdCount() != 0) {
            return EINVAL;
        }
        long iova = request.u64(DmaAccess.ADDR);
        long count = request.u64(DmaAccess.COUNT);
        if (count < 0 || count > Connection.MAX_DATA_XFER_SIZE) {
            return E2BIG;
        }
        int dataSize = access == DmaSpace.WRITE ? (int) count : 0;
        if (request.payloadSize() - DmaAccess.SIZEOF != dataSize) {
            return EINVAL;
        }
        Map.Entry<Long, Area> found = areas.floorEntry(iova);
        if (found == null) {
            return ENOENT;
        }
        Area area = found.getValue();
        long offset = iova - area.iova;
        if (Long.compareUnsigned(offset, area.memory.byteSize()) >= 0 || count > area.memory.byteSize() - offset) {
            return ENOENT;
        }
        if ((area.access & access) == 0) {
            return EACCES;
        }
        reply.repeat(request, DmaAccess.SIZEOF);
        if (access == DmaSpace.READ) {
            MemorySegment.copy(area.memory, offset, reply.buffer(), Header.SIZEOF + DmaAccess.SIZEOF, count);
            reply.setPayloadSize(DmaAccess.SIZEOF + (int) count);
        } else {
            MemorySegment.copy(request.buffer(), request.payloadAt() + DmaAccess.DATA, area.memory, offset, count);
            reply.setPayloadSize(DmaAccess.SIZEOF);
        }
        return 0;
    }
}
