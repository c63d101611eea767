package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE_MULTI;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.RegionAccess;
import org.vfio4j.uapi.VfioUser.RegionWriteMulti;

/** The client's REGION_READ, REGION_WRITE and REGION_WRITE_MULTI. Belongs to the client's thread. */
final class ClientRegions {

    /** As many writes as QEMU puts into one message: servers are made for that. */
    private static final int MAX_WRITES = 200;

    private final ClientChannel channel;
    private final int maxTransfer;
    private final boolean posted;

    /**
     * @param maxTransfer bytes of data that one message may have
     * @param posted whether writes ask for no reply
     */
    ClientRegions(ClientChannel channel, int maxTransfer, boolean posted) {
        this.channel = channel;
        this.maxTransfer = maxTransfer;
        this.posted = posted;
    }

    void read(int region, long offset, MemorySegment buffer, long at, int count) {
        int done = 0;
        do {
            int piece = Math.min(count - done, maxTransfer);
            OutMessage request = access(region, offset + done, piece);
            request.setPayloadSize(RegionAccess.SIZEOF);
            Message reply = channel.call(VFIO_USER_REGION_READ, RegionAccess.SIZEOF + piece);
            if (reply.payloadSize() != RegionAccess.SIZEOF + piece || reply.u32(RegionAccess.COUNT) != piece) {
                throw channel.lost(
                        EPROTO, "REGION_READ of " + piece + " bytes answered by " + reply.u32(RegionAccess.COUNT));
            }
            MemorySegment.copy(reply.buffer(), reply.payloadAt() + RegionAccess.DATA, buffer, at + done, piece);
            channel.done();
            done += piece;
        } while (done < count);
    }

    void write(int region, long offset, MemorySegment buffer, long at, int count) {
        int done = 0;
        do {
            int piece = Math.min(count - done, maxTransfer);
            OutMessage request = access(region, offset + done, piece);
            MemorySegment.copy(buffer, at + done, request.buffer(), Header.SIZEOF + RegionAccess.SIZEOF, piece);
            request.setPayloadSize(RegionAccess.SIZEOF + piece);
            if (posted) {
                channel.post(VFIO_USER_REGION_WRITE);
            } else {
                Message reply = channel.call(VFIO_USER_REGION_WRITE, RegionAccess.SIZEOF);
                if (reply.u32(RegionAccess.COUNT) != piece) {
                    throw channel.lost(
                            EPROTO, "REGION_WRITE of " + piece + " bytes answered by " + reply.u32(RegionAccess.COUNT));
                }
                channel.done();
            }
            done += piece;
        } while (done < count);
    }

    /** In order, up to the first that fails. */
    void writeMulti(List<RegionWrite> writes) {
        for (int from = 0; from < writes.size(); from += MAX_WRITES) {
            List<RegionWrite> batch = writes.subList(from, Math.min(from + MAX_WRITES, writes.size()));
            OutMessage request = channel.begin();
            request.putLong(RegionWriteMulti.WR_CNT, batch.size());
            for (int i = 0; i < batch.size(); i++) {
                put(request, RegionWriteMulti.WRITES + i * RegionWriteMulti.WRITE_SIZEOF, batch.get(i));
            }
            request.setPayloadSize(RegionWriteMulti.WRITES + batch.size() * RegionWriteMulti.WRITE_SIZEOF);
            if (posted) {
                channel.post(VFIO_USER_REGION_WRITE_MULTI);
            } else {
                Message reply = channel.call(VFIO_USER_REGION_WRITE_MULTI, RegionWriteMulti.WRITES);
                long done = reply.u64(RegionWriteMulti.WR_CNT);
                if (done != batch.size()) {
                    throw channel.lost(
                            EPROTO,
                            "REGION_WRITE_MULTI of " + batch.size() + " writes answered by "
                                    + Long.toUnsignedString(done));
                }
                channel.done();
            }
        }
    }

    /** The same by one message for each, for a server that does not take several at once. */
    void writeEach(List<RegionWrite> writes) {
        MemorySegment value = MemorySegment.ofArray(new byte[Long.BYTES]);
        for (RegionWrite write : writes) {
            value.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, write.value());
            write(write.region(), write.offset(), value, 0, write.width());
        }
    }

    private static void put(OutMessage request, long at, RegionWrite write) {
        request.putLong(at + RegionWriteMulti.WRITE_OFFSET, write.offset());
        request.putInt(at + RegionWriteMulti.WRITE_REGION, write.region());
        request.putInt(at + RegionWriteMulti.WRITE_COUNT, write.width());
        request.putLong(at + RegionWriteMulti.WRITE_DATA, write.value());
    }

    private OutMessage access(int region, long offset, int count) {
        OutMessage request = channel.begin();
        request.putLong(RegionAccess.OFFSET, offset);
        request.putInt(RegionAccess.REGION, region);
        request.putInt(RegionAccess.COUNT, count);
        return request;
    }
}
