package org.vfio4j.vfiouser;

import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_SET_IRQS;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_MAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_UNMAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_VERSION;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.DeviceFeature;
import org.vfio4j.uapi.VfioUser.DmaMap;
import org.vfio4j.uapi.VfioUser.DmaUnmap;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioMsixCopy;

/**
 * What a client has set up, as the answers to its requests say that passed by: what another server needs to go on with it. Belongs to the
 * loop's thread.
 */
final class RelayedSession implements AutoCloseable {

    /** As many requests as a server has under way at most. */
    private static final int MAX_OWED = 64;

    private static final int NONE = 0;

    private final ClientMaps maps = new ClientMaps();
    private final ClientIrqs irqs = new ClientIrqs();
    private final int[] owedId = new int[MAX_OWED];
    private final int[] owedCommand = new int[MAX_OWED];
    private Optional<Capabilities> capabilities = Optional.empty();
    private String obstacle = "";

    /** Why no other server could go on with it; empty when one could. */
    String obstacle() {
        boolean unkept =
                maps.all().stream().anyMatch(map -> map.hasFile() && map.file().isEmpty());
        return unkept ? "its memory is in more than " + MemoryFiles.MAX_FILES + " files" : obstacle;
    }

    /**
     * A request has been answered.
     *
     * @param request what is needed of its descriptors is taken
     */
    void answered(Message request, boolean worked, int replyFds) {
        // The memory of a region that it may map is kept for the next server.
        if (replyFds > 0 && request.command() != VFIO_USER_DEVICE_GET_REGION_INFO) {
            obstacle = "it has descriptors of a server's own";
        }
        if (!worked) {
            return;
        }
        switch (request.command()) {
            case VFIO_USER_VERSION -> capabilities = Optional.of(VersionNegotiation.parse(request));
            case VFIO_USER_DMA_MAP -> map(request);
            case VFIO_USER_DMA_UNMAP -> unmap(request);
            case VFIO_USER_DEVICE_SET_IRQS -> setIrqs(request);
            case VFIO_USER_DEVICE_FEATURE -> feature(request);
            default -> {}
        }
    }

    /** The server asks the client for memory. */
    void asked(int id, int command) {
        for (int i = 0; i < MAX_OWED; i++) {
            if (owedCommand[i] == NONE) {
                owedId[i] = id;
                owedCommand[i] = command;
                return;
            }
        }
        obstacle = "it owes more than " + MAX_OWED + " answers";
    }

    /** The client answers; false when nobody has asked. */
    boolean answeredServer(int id, int command) {
        for (int i = 0; i < MAX_OWED; i++) {
            if (owedCommand[i] == command && owedId[i] == id && command != NONE) {
                owedCommand[i] = NONE;
                return true;
            }
        }
        return false;
    }

    /**
     * All of it, for another server.
     *
     * @param socket the connection that the server gets; it stays the caller's
     */
    ServerHandover handover(Fd socket) {
        List<DmaRequests.Owed> owed = new ArrayList<>();
        for (int i = 0; i < MAX_OWED; i++) {
            if (owedCommand[i] != NONE) {
                owed.add(new DmaRequests.Owed(owedId[i], owedCommand[i]));
            }
        }
        List<ClientHandover.MapAndFile> all = new ArrayList<>();
        for (ClientMaps.Map map : maps.all()) {
            all.add(new ClientHandover.MapAndFile(map, map.file().map(MemoryFiles.Kept::fd)));
        }
        return Taken.recordClient(new ClientHandover(
                socket,
                capabilities,
                Optional.empty(),
                new byte[0],
                List.of(),
                new DmaRequests.Habits(0, 0, owed),
                all,
                irqs.handover(),
                new VfioMsixCopy(new byte[0], new BitSet())));
    }

    @Override
    public void close() {
        maps.close();
        irqs.close();
    }

    private void map(Message request) {
        int flags = request.u32(DmaMap.FLAGS);
        int access = ((flags & DmaMap.FLAGS_READ) != 0 ? DmaSpace.READ : 0)
                | ((flags & DmaMap.FLAGS_WRITE) != 0 ? DmaSpace.WRITE : 0);
        boolean hasFile = request.fdCount() > 0;
        Optional<MemoryFiles.Kept> file = hasFile ? maps.keep(request.fd(0)) : Optional.empty();
        // A map that is there already is no error.
        maps.remove(request.u64(DmaMap.ADDR));
        maps.add(new ClientMaps.Map(
                request.u64(DmaMap.ADDR),
                request.u64(DmaMap.SIZE),
                access,
                request.u64(DmaMap.OFFSET),
                DmaCommands.isByFileIo(flags),
                hasFile,
                file));
    }

    private void unmap(Message request) {
        if (request.u32(DmaUnmap.FLAGS) == DmaUnmap.FLAGS_ALL) {
            maps.removeAll();
        } else {
            maps.remove(request.u64(DmaUnmap.ADDR));
        }
    }

    private void setIrqs(Message request) {
        VfioIrqSet set = IrqCommands.parse(request);
        irqs.done(set, set.eventFds());
    }

    private void feature(Message request) {
        int flags = request.u32(DeviceFeature.FLAGS);
        if ((flags & VFIO_DEVICE_FEATURE_SET) != 0 && (flags & VFIO_DEVICE_FEATURE_PROBE) == 0) {
            obstacle = "it has set a feature of the device";
        }
    }
}
