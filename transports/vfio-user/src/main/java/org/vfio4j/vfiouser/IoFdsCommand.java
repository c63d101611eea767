package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.uapi.VfioUser.RegionIoFds;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIoEventFd;

/**
 * DEVICE_GET_REGION_IO_FDS: registers that a client's hypervisor may write by signalling an eventfd. Entries whose descriptor
 * the client has no room for are left out: it writes those registers by messages.
 */
final class IoFdsCommand {

    private static final int MAX_ARGSZ = 1 << 20;

    private final VfioDeviceFile file;
    private final VersionNegotiation version;
    private final boolean gives;
    private boolean given;

    /**
     * @param version knows how many descriptors the client takes in one message
     * @param gives whether there are any: otherwise the client writes all registers by messages
     */
    IoFdsCommand(VfioDeviceFile file, VersionNegotiation version, boolean gives) {
        this.gives = gives;
        this.file = file;
        this.version = version;
    }

    /** Whether the client has got a descriptor from here. */
    boolean hasGiven() {
        return given;
    }

    void regionIoFds(Message request, OutMessage reply) {
        request.requireArgsz(RegionIoFds.SIZEOF);
        int argsz = request.u32(RegionIoFds.ARGSZ);
        int index = request.u32(RegionIoFds.INDEX);
        if (request.u32(RegionIoFds.FLAGS) != 0
                || request.u32(RegionIoFds.COUNT) != 0
                || Integer.compareUnsigned(argsz, MAX_ARGSZ) > 0) {
            throw new ErrnoException(
                    EINVAL, "GET_REGION_IO_FDS: flags and count must be 0, argsz at most " + MAX_ARGSZ);
        }
        List<Fd> distinct = new ArrayList<>();
        List<VfioIoEventFd> entries = transferable(gives ? file.ioEventFds(index) : List.of(), distinct);
        int needed = RegionIoFds.SIZEOF + entries.size() * RegionIoFds.ENTRY_SIZEOF;
        boolean fits = needed <= argsz;
        reply.putInt(RegionIoFds.ARGSZ, needed);
        reply.putInt(RegionIoFds.FLAGS, 0);
        reply.putInt(RegionIoFds.INDEX, index);
        reply.putInt(RegionIoFds.COUNT, fits ? entries.size() : 0);
        reply.setPayloadSize(fits ? needed : RegionIoFds.SIZEOF);
        if (fits) {
            for (int i = 0; i < entries.size(); i++) {
                VfioIoEventFd entry = entries.get(i);
                int fdIndex = entry.fd().isOpen() ? distinct.indexOf(entry.fd()) : RegionIoFds.NO_FD;
                put(reply, RegionIoFds.SIZEOF + i * RegionIoFds.ENTRY_SIZEOF, entry, fdIndex);
            }
            distinct.forEach(reply::addFd);
            given |= !distinct.isEmpty();
        }
    }

    /** @param distinct gets each descriptor of the entries once */
    private List<VfioIoEventFd> transferable(List<VfioIoEventFd> all, List<Fd> distinct) {
        int mostFds = Math.min(version.peer().maxMsgFds(), SocketIo.MAX_FDS);
        int mostEntries = (MAX_ARGSZ - RegionIoFds.SIZEOF) / RegionIoFds.ENTRY_SIZEOF;
        List<VfioIoEventFd> entries = new ArrayList<>();
        for (VfioIoEventFd entry : all) {
            boolean isNew = entry.fd().isOpen() && !distinct.contains(entry.fd());
            if (entries.size() == mostEntries || (isNew && distinct.size() == mostFds)) {
                continue;
            }
            if (isNew) {
                distinct.add(entry.fd());
            }
            entries.add(entry);
        }
        return entries;
    }

    private static void put(OutMessage reply, long at, VfioIoEventFd entry, int fdIndex) {
        reply.putLong(at + RegionIoFds.ENTRY_OFFSET, entry.offset());
        reply.putLong(at + RegionIoFds.ENTRY_SIZE, entry.sizeBytes());
        reply.putInt(at + RegionIoFds.ENTRY_FD_INDEX, fdIndex);
        reply.putInt(at + RegionIoFds.ENTRY_TYPE, RegionIoFds.TYPE_IOEVENTFD);
        // Padding follows the flags.
        reply.putLong(at + RegionIoFds.ENTRY_FLAGS, Integer.toUnsignedLong(entry.flags()));
        reply.putLong(at + RegionIoFds.ENTRY_DATAMATCH, entry.datamatch());
    }
}
