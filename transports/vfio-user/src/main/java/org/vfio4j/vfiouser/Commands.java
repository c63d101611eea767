package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_IRQ_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_IO_FDS;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_SET_IRQS;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_MAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_UNMAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_MIG_DATA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_MIG_DATA_WRITE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE_MULTI;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_VERSION;

import java.util.Optional;
import java.util.function.Supplier;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioDeviceFile;

/** Gives each command of one connection to its handler. Belongs to the connection's owner. */
final class Commands {

    private final IoAddressSpace space;
    private final DmaRequests requests;
    private final VersionNegotiation version;
    private final DmaCommands dma;
    private final InfoCommands info;
    private final IoFdsCommand ioFds;
    private final IrqCommands irqs;
    private final RegionCommands regions;
    private final FeatureCommand feature;
    private final MigrationCommands migration;
    private final ResetCommand reset;

    /** @param openTwin as for {@link VersionNegotiation} */
    Commands(
            VfioDeviceFile file,
            IoAddressSpace space,
            DmaRequests requests,
            Capabilities capabilities,
            Supplier<Fd> openTwin,
            VfioUserServerOptions options) {
        this.space = space;
        this.requests = requests;
        version =
                new VersionNegotiation(capabilities, options.replaceable() ? Optional.empty() : Optional.of(openTwin));
        dma = new DmaCommands(file, space, requests, options);
        info = new InfoCommands(file, version);
        ioFds = new IoFdsCommand(file, version, !options.replaceable());
        irqs = new IrqCommands(file);
        regions = new RegionCommands(file, capabilities.maxDataXferSize());
        feature = new FeatureCommand(file, capabilities.maxDataXferSize());
        migration = new MigrationCommands(file, capabilities.maxDataXferSize());
        reset = new ResetCommand(file, requests);
    }

    /**
     * Whether handling a message may have to wait: for a queue thread of the device, which leaves what it does at once, but is
     * perhaps in the middle of I/O; or for a file system. A loop that serves others cannot wait for either. A thread that is at rest now may
     * have been woken by the message before this one, and begin in a moment what storage does not end: what waits for it is never the loop's.
     */
    boolean mayWait(Message request) {
        return switch (request.command()) {
            case VFIO_USER_DMA_UNMAP, VFIO_USER_DEVICE_RESET, VFIO_USER_DEVICE_FEATURE -> true;
            // Of these hardly any waits, and there are many.
            case VFIO_USER_DEVICE_SET_IRQS, VFIO_USER_MIG_DATA_READ, VFIO_USER_MIG_DATA_WRITE -> isBusy();
            case VFIO_USER_REGION_WRITE, VFIO_USER_REGION_WRITE_MULTI ->
                RegionCommands.touchesConfigSpace(request) && isBusy();
            case VFIO_USER_DMA_MAP ->
                request.fdCount() != 0 && (space.isFollowed() || !SharedMemory.isKernelMemory(request.fd(0)));
            default -> false;
        };
    }

    /**
     * Whether a queue thread uses guest memory now, waits for the client to answer, or may do so at any moment: a frame of another
     * machine can wake it, and then it asks for memory whose answer a waiting loop could not read. Hardware, which follows the space, takes
     * its time at any moment.
     */
    boolean isBusy() {
        return space.isFollowed() || !space.isQuiet() || requests.anyWaiting() || dma.mapsMessages();
    }

    VersionNegotiation version() {
        return version;
    }

    /** The client has sent VERSION to another server, which this one takes over from. */
    void agreed(Capabilities peer) {
        version.agreed(peer);
        limitRequests();
    }

    private void limitRequests() {
        requests.setMaxTransfer(Math.min(version.peer().maxDataXferSize(), Connection.MAX_DATA_XFER_SIZE));
    }

    DmaCommands dma() {
        return dma;
    }

    IrqCommands irqs() {
        return irqs;
    }

    /** Whether the client writes registers in a way that only this server sees. */
    boolean hasGivenIoFds() {
        return ioFds.hasGiven();
    }

    /** Forgets what the client has set up, and closes its descriptors. */
    void forgetClient() {
        dma.maps().close();
        irqs.irqs().close();
    }

    /**
     * Handles a command.
     *
     * @throws ErrnoException whose errno is the answer
     */
    void handle(Message request, OutMessage reply) {
        int command = request.command();
        if (command == VFIO_USER_VERSION) {
            version.handle(request, reply);
            limitRequests();
            return;
        }
        if (!version.isDone()) {
            throw new ErrnoException(EINVAL, "command " + command + " before VERSION");
        }
        switch (command) {
            case VFIO_USER_REGION_READ -> regions.read(request, reply);
            case VFIO_USER_REGION_WRITE -> regions.write(request, reply);
            case VFIO_USER_REGION_WRITE_MULTI -> regions.writeMulti(request, reply);
            case VFIO_USER_DMA_MAP -> dma.map(request);
            case VFIO_USER_DMA_UNMAP -> dma.unmap(request, reply);
            case VFIO_USER_DEVICE_GET_INFO -> info.deviceInfo(request, reply);
            case VFIO_USER_DEVICE_GET_REGION_INFO -> info.regionInfo(request, reply);
            case VFIO_USER_DEVICE_GET_REGION_IO_FDS -> ioFds.regionIoFds(request, reply);
            case VFIO_USER_DEVICE_GET_IRQ_INFO -> info.irqInfo(request, reply);
            case VFIO_USER_DEVICE_SET_IRQS -> irqs.setIrqs(request);
            case VFIO_USER_DEVICE_RESET -> reset.reset();
            case VFIO_USER_DEVICE_FEATURE -> feature.feature(request, reply);
            case VFIO_USER_MIG_DATA_READ -> migration.read(request, reply);
            case VFIO_USER_MIG_DATA_WRITE -> migration.write(request);
            default -> throw new ErrnoException(EINVAL, "command " + command + ": unknown, or not for a server");
        }
    }
}
