package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_IO_FDS;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.RegionIoFds;
import org.vfio4j.vfio.VfioIoEventFd;

/**
 * The client's DEVICE_GET_REGION_IO_FDS. The answer for a region is kept, as its descriptors are. The size of an entry follows
 * from argsz, so the specification's and libvfio-user's longer ones are both read; entries that are no ioeventfds are left out.
 * Belongs to the client's thread.
 */
final class ClientIoFds {

    private final ClientChannel channel;
    private final ClientInfo info;
    private final ClientDescriptors descriptors;
    private final Map<Integer, List<VfioIoEventFd>> known = new HashMap<>();

    ClientIoFds(ClientChannel channel, ClientInfo info, ClientDescriptors descriptors) {
        this.channel = channel;
        this.info = info;
        this.descriptors = descriptors;
    }

    List<VfioIoEventFd> of(int region) {
        List<VfioIoEventFd> found = known.get(region);
        if (found == null) {
            found = List.copyOf(fetch(region));
            known.put(region, found);
        }
        return found;
    }

    private List<VfioIoEventFd> fetch(int region) {
        long regionSize = info.region(region).sizeBytes();
        Message reply = ask(region, ClientInfo.FIRST_ARGSZ);
        int needed = reply.u32(RegionIoFds.ARGSZ);
        if (needed > ClientInfo.FIRST_ARGSZ && needed <= ClientInfo.MAX_ARGSZ) {
            channel.done();
            reply = ask(region, needed);
        }
        int count = reply.u32(RegionIoFds.COUNT);
        int stride = stride(reply, count);
        List<Fd> fds = takeEventFds(reply);
        List<VfioIoEventFd> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            long at = RegionIoFds.SIZEOF + (long) i * stride;
            if (reply.u32(at + RegionIoFds.ENTRY_TYPE) == RegionIoFds.TYPE_IOEVENTFD) {
                entries.add(entry(reply, at, stride, fds, regionSize));
            }
        }
        channel.done();
        return entries;
    }

    private Message ask(int region, int argsz) {
        OutMessage request = channel.begin();
        request.putInt(RegionIoFds.ARGSZ, argsz);
        request.putInt(RegionIoFds.FLAGS, 0);
        request.putInt(RegionIoFds.INDEX, region);
        request.putInt(RegionIoFds.COUNT, 0);
        request.setPayloadSize(RegionIoFds.SIZEOF);
        return channel.call(VFIO_USER_DEVICE_GET_REGION_IO_FDS, RegionIoFds.SIZEOF);
    }

    /** Bytes of an entry; all of them are in the reply. */
    private int stride(Message reply, int count) {
        long entries = (long) reply.u32(RegionIoFds.ARGSZ) - RegionIoFds.SIZEOF;
        long came = (long) reply.payloadSize() - RegionIoFds.SIZEOF;
        long stride = count == 0 ? 0 : entries / count;
        boolean legal = count == 0
                || (count > 0 && stride >= RegionIoFds.ENTRY_SIZEOF && entries % count == 0 && entries <= came);
        if (!legal) {
            throw channel.lost(
                    EPROTO,
                    "GET_REGION_IO_FDS: " + Integer.toUnsignedLong(count) + " entries in " + came + " bytes, argsz "
                            + (entries + RegionIoFds.SIZEOF));
        }
        return (int) stride;
    }

    // Signalling anything but an eventfd could keep the caller waiting.
    private List<Fd> takeEventFds(Message reply) {
        List<Fd> fds = new ArrayList<>();
        for (int i = 0; i < reply.fdCount(); i++) {
            fds.add(descriptors.keep(reply.takeFd(i)));
        }
        if (!fds.stream().allMatch(EventFd::isEventFd)) {
            throw channel.lost(EPROTO, "GET_REGION_IO_FDS: a descriptor is no eventfd");
        }
        return fds;
    }

    private VfioIoEventFd entry(Message reply, long at, int stride, List<Fd> fds, long regionSize) {
        long offset = reply.u64(at + RegionIoFds.ENTRY_OFFSET);
        long size = reply.u64(at + RegionIoFds.ENTRY_SIZE);
        int fdIndex = reply.u32(at + RegionIoFds.ENTRY_FD_INDEX);
        boolean inside = offset >= 0
                && offset < regionSize
                && size >= 0
                && size <= Math.min(Integer.MAX_VALUE, regionSize - offset);
        boolean hasFd = fdIndex != RegionIoFds.NO_FD;
        if (!inside || (hasFd && (fdIndex < 0 || fdIndex >= fds.size()))) {
            throw channel.lost(
                    EPROTO,
                    "GET_REGION_IO_FDS: offset 0x" + Long.toHexString(offset) + " size 0x" + Long.toHexString(size)
                            + " descriptor " + fdIndex + " of " + fds.size() + " in a region of 0x"
                            + Long.toHexString(regionSize) + " bytes");
        }
        int matchAt = stride >= RegionIoFds.LONG_ENTRY_SIZEOF
                ? RegionIoFds.LONG_ENTRY_DATAMATCH
                : RegionIoFds.ENTRY_DATAMATCH;
        return new VfioIoEventFd(
                offset,
                (int) size,
                reply.u32(at + RegionIoFds.ENTRY_FLAGS),
                reply.u64(at + matchAt),
                hasFd ? fds.get(fdIndex) : Fd.none());
    }
}
