package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_SET_IRQS;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.uapi.VfioUser.DeviceFeature;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.IrqSet;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * A device that a vfio-user server serves (vfio-user specification; unix sockets only). It has no thread of its own: the
 * caller's does all the work, one caller at a time.
 *
 * <p>The server is not trusted: what it sends is checked, and waiting for it has an end. When it breaks the protocol or the
 * time is up, the connection is closed and every later call fails with ENOTCONN.
 */
public final class VfioUserClient implements VfioDeviceFile {

    /** What DMA_LOGGING_REPORT is asked: u64 iova, u64 length, u64 page_size. */
    private static final int REPORT_QUESTION_SIZE = 24;

    private static final int[] NO_FDS = {};

    private final ClientChannel channel;
    private final Capabilities server;
    private final int maxTransfer;
    private final ClientDescriptors descriptors = new ClientDescriptors();
    private final ClientDma dma;
    private final ClientRegions regions;
    private final ClientInfo info;
    private final ClientIoFds ioFds;
    private final ClientMigration migration;

    private VfioUserClient(Fd socket, VfioUserClientOptions options) {
        LocalMemory memory = new LocalMemory();
        channel = new ClientChannel(socket, options, memory);
        try {
            server = ClientNegotiation.negotiate(channel, options.twinSocket());
        } catch (RuntimeException e) {
            channel.close();
            throw e;
        }
        maxTransfer = Math.min(server.maxDataXferSize(), Connection.MAX_DATA_XFER_SIZE);
        dma = new ClientDma(channel, memory);
        regions = new ClientRegions(channel, maxTransfer, options.postedWrites());
        info = new ClientInfo(channel, descriptors);
        ioFds = new ClientIoFds(channel, info, descriptors);
        migration = new ClientMigration(channel, maxTransfer);
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
        return info.device();
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        return info.region(index);
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        return info.regionMemory(index);
    }

    /** {@inheritDoc} The server is asked once for each region. */
    @Override
    public List<VfioIoEventFd> ioEventFds(int index) {
        return ioFds.of(index);
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return info.irq(index);
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
        regions.read(region, offset, buffer, at, count);
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        regions.write(region, offset, buffer, at, count);
    }

    /**
     * Writes several registers with one message where the server takes that (REGION_WRITE_MULTI), else one after the other.
     *
     * @throws ErrnoException as {@link #write}: those before the one that failed are done
     */
    public void writeAll(List<RegionWrite> writes) {
        if (server.writeMultiple()) {
            regions.writeMulti(writes);
        } else {
            regions.writeEach(writes);
        }
    }

    @Override
    public int feature(int flags, MemorySegment data) {
        return feature(flags, data, NO_FDS);
    }

    @Override
    public void feature(int flags, MemorySegment data, Fd descriptor) {
        try {
            feature(flags, data, new int[] {descriptor.value()});
        } finally {
            descriptor.close();
        }
    }

    private int feature(int flags, MemorySegment data, int[] fds) {
        if (data.byteSize() > maxTransfer) {
            throw new ErrnoException(
                    EINVAL, "device feature with " + data.byteSize() + " bytes of data: the limit is " + maxTransfer);
        }
        int size = (int) data.byteSize();
        boolean probe = (flags & VFIO_DEVICE_FEATURE_PROBE) != 0;
        boolean get = !probe && (flags & VFIO_DEVICE_FEATURE_GET) != 0;
        int said = get ? Math.min(size, questionSize(flags)) : size;
        OutMessage request = channel.begin();
        request.putInt(DeviceFeature.ARGSZ, DeviceFeature.SIZEOF + size);
        request.putInt(DeviceFeature.FLAGS, flags);
        MemorySegment.copy(data, 0, request.buffer(), Header.SIZEOF + DeviceFeature.DATA, said);
        request.setPayloadSize(DeviceFeature.SIZEOF + said);
        Message reply = channel.call(VFIO_USER_DEVICE_FEATURE, DeviceFeature.SIZEOF, fds, fds.length);
        int came = probe ? 0 : reply.payloadSize() - DeviceFeature.SIZEOF;
        if (came > size) {
            throw channel.lost(EPROTO, "DEVICE_FEATURE with room for " + size + " bytes answered by " + came);
        }
        // The reply to a SET says what the feature has made of the data.
        if (get || !data.isReadOnly()) {
            MemorySegment.copy(reply.buffer(), reply.payloadAt() + DeviceFeature.DATA, data, 0, came);
        }
        channel.done();
        migration.onFeature(flags, data);
        return get ? came : 0;
    }

    // A server may refuse data where none belongs.
    private static int questionSize(int flags) {
        return (flags & VFIO_DEVICE_FEATURE_MASK) == VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT ? REPORT_QUESTION_SIZE : 0;
    }

    /** {@inheritDoc} More than a message holds goes in several. */
    @Override
    public int migrationRead(MemorySegment buffer, long at, int count) {
        return migration.read(buffer, at, count);
    }

    /** {@inheritDoc} More than a message holds goes in several. */
    @Override
    public void migrationWrite(MemorySegment buffer, long at, int count) {
        migration.write(buffer, at, count);
    }

    @Override
    public void reset() {
        channel.begin();
        channel.call(VFIO_USER_DEVICE_RESET, 0);
        channel.done();
        migration.onReset();
    }

    @Override
    public void dmaMap(long iova, long sizeBytes, int access, Fd descriptor, long offset) {
        dma.map(iova, sizeBytes, access, descriptor, offset);
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
        dma.map(iova, access, local);
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes) {
        dma.unmap(iova, sizeBytes);
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {
        dma.unmap(iova, sizeBytes, pageSizeBytes, bitmap);
    }

    @Override
    public void dmaUnmapAll() {
        dma.unmapAll();
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
        descriptors.close();
        channel.close();
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
}
