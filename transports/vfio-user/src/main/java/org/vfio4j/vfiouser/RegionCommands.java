package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.RegionAccess;
import org.vfio4j.uapi.VfioUser.RegionWriteMulti;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * REGION_READ, REGION_WRITE and REGION_WRITE_MULTI: the way of every register access, so nothing is allocated. Data goes
 * between the device and the message buffers without a copy.
 */
final class RegionCommands {

    private final VfioDeviceFile file;
    private final int maxDataXferSize;

    /** @param maxDataXferSize bytes that one message may read or write */
    RegionCommands(VfioDeviceFile file, int maxDataXferSize) {
        this.file = file;
        this.maxDataXferSize = maxDataXferSize;
    }

    void read(Message request, OutMessage reply) {
        request.requirePayload(RegionAccess.SIZEOF);
        int count = checkedCount(request);
        file.read(
                request.u32(RegionAccess.REGION),
                request.u64(RegionAccess.OFFSET),
                reply.buffer(),
                Header.SIZEOF + RegionAccess.SIZEOF,
                count);
        reply.repeat(request, RegionAccess.SIZEOF);
        reply.setPayloadSize(RegionAccess.SIZEOF + count);
    }

    void write(Message request, OutMessage reply) {
        request.requirePayload(RegionAccess.SIZEOF);
        int count = checkedCount(request);
        if (request.payloadSize() - RegionAccess.SIZEOF != count) {
            throw new ErrnoException(
                    EINVAL,
                    "REGION_WRITE: " + (request.payloadSize() - RegionAccess.SIZEOF) + " bytes of data, count "
                            + count);
        }
        file.write(
                request.u32(RegionAccess.REGION),
                request.u64(RegionAccess.OFFSET),
                request.buffer(),
                request.payloadAt() + RegionAccess.DATA,
                count);
        reply.repeat(request, RegionAccess.SIZEOF);
        reply.setPayloadSize(RegionAccess.SIZEOF);
    }

    /** In order, up to the first that fails. */
    void writeMulti(Message request, OutMessage reply) {
        request.requirePayload(RegionWriteMulti.WRITES);
        long count = request.u64(RegionWriteMulti.WR_CNT);
        int given = request.payloadSize() - RegionWriteMulti.WRITES;
        if (count < 0
                || count > given / RegionWriteMulti.WRITE_SIZEOF
                || count * RegionWriteMulti.WRITE_SIZEOF != given) {
            throw new ErrnoException(
                    EINVAL, "REGION_WRITE_MULTI: " + given + " bytes for " + Long.toUnsignedString(count) + " writes");
        }
        for (int i = 0; i < count; i++) {
            int at = RegionWriteMulti.WRITES + i * RegionWriteMulti.WRITE_SIZEOF;
            int bytes = request.u32(at + RegionWriteMulti.WRITE_COUNT);
            if (bytes < 0 || bytes > RegionWriteMulti.WRITE_MAX_COUNT) {
                throw new ErrnoException(
                        EINVAL,
                        "REGION_WRITE_MULTI: write of " + Integer.toUnsignedLong(bytes) + " bytes, the limit is "
                                + RegionWriteMulti.WRITE_MAX_COUNT);
            }
            file.write(
                    request.u32(at + RegionWriteMulti.WRITE_REGION),
                    request.u64(at + RegionWriteMulti.WRITE_OFFSET),
                    request.buffer(),
                    request.payloadAt() + at + RegionWriteMulti.WRITE_DATA,
                    bytes);
        }
        reply.putLong(RegionWriteMulti.WR_CNT, count);
        reply.setPayloadSize(RegionWriteMulti.WRITES);
    }

    /** Whether a REGION_WRITE or REGION_WRITE_MULTI goes to configuration space, where a write may reset the device. */
    static boolean touchesConfigSpace(Message request) {
        if (request.command() == VFIO_USER_REGION_WRITE) {
            return request.payloadSize() >= RegionAccess.SIZEOF
                    && request.u32(RegionAccess.REGION) == VFIO_PCI_CONFIG_REGION_INDEX;
        }
        int last = request.payloadSize() - RegionWriteMulti.WRITE_SIZEOF;
        for (int at = RegionWriteMulti.WRITES; at <= last; at += RegionWriteMulti.WRITE_SIZEOF) {
            if (request.u32(at + RegionWriteMulti.WRITE_REGION) == VFIO_PCI_CONFIG_REGION_INDEX) {
                return true;
            }
        }
        return false;
    }

    /** Whether a REGION_WRITE may go to these bytes of a region, or is one of several of which one does. */
    static boolean touches(Message request, int region, long from, long to) {
        if (request.command() == VFIO_USER_REGION_WRITE) {
            return request.payloadSize() >= RegionAccess.SIZEOF
                    && request.u32(RegionAccess.REGION) == region
                    && request.u64(RegionAccess.OFFSET) < to
                    && request.u64(RegionAccess.OFFSET) + request.u32(RegionAccess.COUNT) > from;
        }
        int last = request.payloadSize() - RegionWriteMulti.WRITE_SIZEOF;
        for (int at = RegionWriteMulti.WRITES; at <= last; at += RegionWriteMulti.WRITE_SIZEOF) {
            long offset = request.u64(at + RegionWriteMulti.WRITE_OFFSET);
            if (request.u32(at + RegionWriteMulti.WRITE_REGION) == region
                    && offset < to
                    && offset + Long.BYTES > from) {
                return true;
            }
        }
        return false;
    }

    private int checkedCount(Message request) {
        int count = request.u32(RegionAccess.COUNT);
        if (count < 0 || count > maxDataXferSize) {
            throw new ErrnoException(
                    EINVAL,
                    "region access of " + Integer.toUnsignedLong(count) + " bytes: the limit is " + maxDataXferSize);
        }
        return count;
    }
}
