package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_IRQ_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_SET_IRQS;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_MAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_UNMAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_VERSION;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.uapi.VfioUser.DeviceFeature;
import org.vfio4j.uapi.VfioUser.DeviceInfo;
import org.vfio4j.uapi.VfioUser.DmaMap;
import org.vfio4j.uapi.VfioUser.DmaUnmap;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.IrqInfo;
import org.vfio4j.uapi.VfioUser.IrqSet;
import org.vfio4j.uapi.VfioUser.RegionAccess;
import org.vfio4j.uapi.VfioUser.RegionInfo;
import org.vfio4j.uapi.VfioUser.Version;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * A device that a vfio-user server serves (vfio-user specification; unix sockets only). It has no thread of its own: the
 * caller's does all the work, one caller at a time.
 *
 * <p>The server is not trusted: what it sends is checked, and waiting for it has an end. When it breaks the protocol or the
 * time is up, the connection is closed and every later call fails with ENOTCONN.
 */
public final class VfioUserClient implements VfioDeviceFile {

    private static final int MAJOR = 0;
    private static final int MINOR = 1;

    private final LocalMemory memory = new LocalMemory();
    private final ClientChannel channel;
    private final boolean postedWrites;
    private final Capabilities server;
    private final int maxTransfer;

    private VfioUserClient(Fd socket, VfioUserClientOptions options) {
        channel = new ClientChannel(socket, options, memory);
        postedWrites = options.postedWrites();
        try {
            server = negotiate();
        } catch (RuntimeException e) {
            channel.close();
            throw e;
        }
        maxTransfer = Math.min(server.maxDataXferSize(), Connection.MAX_DATA_XFER_SIZE);
    }

    /**
     * Connects to the server that listens at {@code path}.
     *
     * @throws ErrnoException what connect says; EPROTO for a server that speaks another version; ETIMEDOUT
     */
    public static VfioUserClient connect(Path path, VfioUserClientOptions options) {
        return over(UnixSocket.connect(path), options);
    }

    /** The same over a socket that is connected already, and is the client's from now on. */
    public static VfioUserClient over(Fd socket, VfioUserClientOptions options) {
        return new VfioUserClient(socket, options);
    }

    @Override
    public VfioDeviceInfo info() {
        OutMessage request = channel.begin();
        request.putInt(DeviceInfo.ARGSZ, DeviceInfo.SIZEOF);
        request.putInt(DeviceInfo.FLAGS, 0);
        request.putInt(DeviceInfo.NUM_REGIONS, 0);
        request.putInt(DeviceInfo.NUM_IRQS, 0);
        request.setPayloadSize(DeviceInfo.SIZEOF);
        Message reply = channel.call(VFIO_USER_DEVICE_GET_INFO, DeviceInfo.SIZEOF);
        VfioDeviceInfo info = new VfioDeviceInfo(
                reply.u32(DeviceInfo.FLAGS), reply.u32(DeviceInfo.NUM_REGIONS), reply.u32(DeviceInfo.NUM_IRQS));
        channel.done();
        return info;
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        OutMessage request = channel.begin();
        request.putInt(RegionInfo.ARGSZ, RegionInfo.SIZEOF);
        request.putInt(RegionInfo.FLAGS, 0);
        request.putInt(RegionInfo.INDEX, index);
        request.putInt(RegionInfo.CAP_OFFSET, 0);
        request.putLong(RegionInfo.SIZE, 0);
        request.putLong(RegionInfo.OFFSET, 0);
        request.setPayloadSize(RegionInfo.SIZEOF);
        Message reply = channel.call(VFIO_USER_DEVICE_GET_REGION_INFO, RegionInfo.SIZEOF);
        VfioRegionInfo info = new VfioRegionInfo(
                reply.u32(RegionInfo.INDEX), reply.u32(RegionInfo.FLAGS), reply.u64(RegionInfo.SIZE));
        channel.done();
        return info;
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        OutMessage request = channel.begin();
        request.putInt(IrqInfo.ARGSZ, IrqInfo.SIZEOF);
        request.putInt(IrqInfo.FLAGS, 0);
        request.putInt(IrqInfo.INDEX, index);
        request.putInt(IrqInfo.COUNT, 0);
        request.setPayloadSize(IrqInfo.SIZEOF);
        Message reply = channel.call(VFIO_USER_DEVICE_GET_IRQ_INFO, IrqInfo.SIZEOF);
        VfioIrqInfo info =
                new VfioIrqInfo(reply.u32(IrqInfo.INDEX), reply.u32(IrqInfo.FLAGS), reply.u32(IrqInfo.COUNT));
        channel.done();
        return info;
    }

    /** {@inheritDoc} More descriptors than the server takes in one message go in several. */
    @Override
    public void setIrqs(VfioIrqSet set) {
        try {
            int descriptors = set.eventFds().size();
            int most = Math.min(server.maxMsgFds(), Connection.MAX_MSG_FDS);
            if (descriptors <= most) {
                setIrqs(set.flags(), set.index(), set.start(), set.count(), set.eventFds(), set.bools());
                return;
            }
            if (most == 0) {
                throw new ErrnoException(ENOTSUP, "set irqs: the server takes no descriptors");
            }
            if (descriptors != set.count()) {
                throw new ErrnoException(
                        EINVAL, "set irqs: " + descriptors + " descriptors for " + set.count() + " vectors");
            }
            for (int from = 0; from < descriptors; from += most) {
                List<Fd> part = set.eventFds().subList(from, Math.min(from + most, descriptors));
                setIrqs(set.flags(), set.index(), set.start() + from, part.size(), part, List.of());
            }
        } finally {
            set.closeEventFds();
        }
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
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

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        int done = 0;
        do {
            int piece = Math.min(count - done, maxTransfer);
            OutMessage request = access(region, offset + done, piece);
            MemorySegment.copy(buffer, at + done, request.buffer(), Header.SIZEOF + RegionAccess.SIZEOF, piece);
            request.setPayloadSize(RegionAccess.SIZEOF + piece);
            if (postedWrites) {
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

    @Override
    public int feature(int flags, MemorySegment data) {
        if (data.byteSize() > maxTransfer) {
            throw new ErrnoException(
                    EINVAL, "device feature with " + data.byteSize() + " bytes of data: the limit is " + maxTransfer);
        }
        int size = (int) data.byteSize();
        boolean get = (flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_PROBE)) == VFIO_DEVICE_FEATURE_GET;
        OutMessage request = channel.begin();
        request.putInt(DeviceFeature.ARGSZ, DeviceFeature.SIZEOF + size);
        request.putInt(DeviceFeature.FLAGS, flags);
        if (!get) {
            MemorySegment.copy(data, 0, request.buffer(), Header.SIZEOF + DeviceFeature.DATA, size);
        }
        request.setPayloadSize(DeviceFeature.SIZEOF + (get ? 0 : size));
        Message reply = channel.call(VFIO_USER_DEVICE_FEATURE, DeviceFeature.SIZEOF);
        int came = get ? reply.payloadSize() - DeviceFeature.SIZEOF : 0;
        if (came > size) {
            throw channel.lost(EPROTO, "DEVICE_FEATURE with room for " + size + " bytes answered by " + came);
        }
        MemorySegment.copy(reply.buffer(), reply.payloadAt() + DeviceFeature.DATA, data, 0, came);
        channel.done();
        return came;
    }

    @Override
    public void reset() {
        channel.begin();
        channel.call(VFIO_USER_DEVICE_RESET, 0);
        channel.done();
    }

    @Override
    public void dmaMap(long iova, long sizeBytes, int access, Fd descriptor, long offset) {
        dmaMapRequest(iova, sizeBytes, access, offset);
        channel.call(VFIO_USER_DMA_MAP, 0, new int[] {descriptor.value()}, 1);
        channel.done();
    }

    /**
     * Maps memory of this process without giving the server a descriptor of it: the device reaches it by messages, which are
     * answered during the calls of this client, and by {@link #serve}.
     *
     * @param iova where the device sees it
     * @param access {@code DmaSpace.READ}, {@code DmaSpace.WRITE} or both
     * @param local the memory, in use until it is unmapped
     */
    public void dmaMap(long iova, int access, MemorySegment local) {
        if (memory.contains(iova)) {
            throw new ErrnoException(EEXIST, "DMA map at iova 0x" + Long.toHexString(iova));
        }
        memory.add(iova, access, local);
        // Before the server is told: it may ask as soon as it knows.
        try {
            dmaMapRequest(iova, local.byteSize(), access, 0);
            channel.call(VFIO_USER_DMA_MAP, 0);
        } catch (ErrnoException e) {
            memory.remove(iova);
            throw e;
        }
        channel.done();
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes) {
        OutMessage request = channel.begin();
        request.putInt(DmaUnmap.ARGSZ, DmaUnmap.SIZEOF);
        request.putInt(DmaUnmap.FLAGS, 0);
        request.putLong(DmaUnmap.ADDR, iova);
        request.putLong(DmaUnmap.SIZE, sizeBytes);
        request.setPayloadSize(DmaUnmap.SIZEOF);
        channel.call(VFIO_USER_DMA_UNMAP, DmaUnmap.SIZEOF);
        channel.done();
        memory.remove(iova);
    }

    /**
     * Answers the device's requests for memory that was mapped without a descriptor, if there are any: for a driver that waits
     * for the device otherwise than by a call.
     *
     * @param waitNs how long to wait for one to come
     * @return whether something came
     */
    public boolean serve(long waitNs) {
        return channel.serve(waitNs);
    }

    /** Closes the connection. The server keeps the device's state. */
    @Override
    public void close() {
        channel.close();
    }

    private Capabilities negotiate() {
        Capabilities own = new Capabilities(
                Connection.MAX_MSG_FDS,
                Connection.MAX_DATA_XFER_SIZE,
                Capabilities.DEFAULTS.maxDmaMaps(),
                Capabilities.DEFAULTS.pgsizes(),
                true);
        byte[] json = own.toJson().getBytes(StandardCharsets.UTF_8);
        OutMessage request = channel.begin();
        request.putShort(Version.MAJOR, MAJOR);
        request.putShort(Version.MINOR, MINOR);
        MemorySegment.copy(json, 0, request.buffer(), ValueLayout.JAVA_BYTE, Header.SIZEOF + Version.DATA, json.length);
        request.buffer().set(ValueLayout.JAVA_BYTE, Header.SIZEOF + Version.DATA + json.length, (byte) 0);
        request.setPayloadSize(Version.DATA + json.length + 1);
        Message reply = channel.call(VFIO_USER_VERSION, Version.DATA);
        int major = reply.u16(Version.MAJOR);
        int minor = reply.u16(Version.MINOR);
        if (major != MAJOR || minor > MINOR) {
            throw channel.lost(
                    EPROTO,
                    "the server speaks version " + major + "." + minor + ", this client " + MAJOR + "." + MINOR);
        }
        int length = reply.payloadSize() - Version.DATA;
        Capabilities peer = length == 0
                ? Capabilities.DEFAULTS
                : Capabilities.parse(VersionNegotiation.text(reply, Version.DATA, length));
        channel.done();
        return peer;
    }

    private void setIrqs(int flags, int index, int start, int count, List<Fd> fds, List<Boolean> bools) {
        int data = (flags & VFIO_IRQ_SET_DATA_BOOL) != 0 ? bools.size() : 0;
        OutMessage request = channel.begin();
        request.putInt(IrqSet.ARGSZ, IrqSet.SIZEOF + data);
        request.putInt(IrqSet.FLAGS, flags);
        request.putInt(IrqSet.INDEX, index);
        request.putInt(IrqSet.START, start);
        request.putInt(IrqSet.COUNT, count);
        for (int i = 0; i < data; i++) {
            byte value = (byte) (bools.get(i) ? 1 : 0);
            request.buffer().set(ValueLayout.JAVA_BYTE, Header.SIZEOF + IrqSet.DATA + i, value);
        }
        request.setPayloadSize(IrqSet.SIZEOF + data);
        int[] numbers = fds.stream().mapToInt(Fd::value).toArray();
        channel.call(VFIO_USER_DEVICE_SET_IRQS, 0, numbers, numbers.length);
        channel.done();
    }

    private void dmaMapRequest(long iova, long sizeBytes, int access, long offset) {
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

    private OutMessage access(int region, long offset, int count) {
        OutMessage request = channel.begin();
        request.putLong(RegionAccess.OFFSET, offset);
        request.putInt(RegionAccess.REGION, region);
        request.putInt(RegionAccess.COUNT, count);
        return request;
    }
}
