package org.vfio4j.cli.serve;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.TrackedBackend;
import org.vfio4j.block.WriteMap;
import org.vfio4j.cli.control.ControlSocket;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.guest.StorageRequest;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * Lets another process of the user copy what disks stand on, for as long as it holds its connection: a hypervisor that moves a guest with
 * its storage. It gets descriptors, and reads or writes by itself; for what is read, with maps of what is written meanwhile. Each
 * connection has its thread.
 *
 * <p>The reply is one packet: the storages as JSON, and for each its file, which for a reader is followed by its map.
 */
final class StorageCopies {

    private static final System.Logger LOG = System.getLogger(StorageCopies.class.getName());
    private static final long SEND_NS = 2_000_000_000L;
    private static final Duration LOOK = Duration.ofHours(1);

    private final Machine machine;
    private final AtomicInteger underWay = new AtomicInteger();

    StorageCopies(Machine machine) {
        this.machine = machine;
    }

    /** Whether there is one, so that nobody can take over. */
    boolean areUnderWay() {
        return underWay.get() > 0;
    }

    /**
     * Who answers a line that asks for storage.
     *
     * @param leaving whether another process is about to take over, in which nobody would know of a copy
     */
    Optional<ControlSocket.Conversation> find(String line, BooleanSupplier leaving) {
        return StorageRequest.find(line)
                .map(request -> ControlSocket.Conversation.inPackets(channel -> hold(request, leaving, channel)));
    }

    private void hold(StorageRequest request, BooleanSupplier leaving, FdChannel channel) {
        List<Runnable> ends = new ArrayList<>();
        // Counted first, and looked at then: whoever takes over does it the other way round.
        underWay.incrementAndGet();
        try {
            if (leaving.getAsBoolean()) {
                throw new ErrnoException(EBUSY, "copy storage: another process is about to take over");
            }
            offer(request, channel, ends);
            awaitEnd(channel);
        } catch (ErrnoException e) {
            LOG.log(Level.INFO, "storage of {0} is not copied: {1}", request.socket(), e.getMessage());
            tell(channel, e);
        } finally {
            ends.forEach(Runnable::run);
            underWay.decrementAndGet();
        }
    }

    private void offer(StorageRequest request, FdChannel channel, List<Runnable> ends) {
        List<BlockBackend> storages = function(request.socket()).storages();
        if (storages.isEmpty()) {
            throw new ErrnoException(EOPNOTSUPP, "copy the storage of " + request.socket() + ", which has none");
        }
        List<Fd> fds = new ArrayList<>();
        try {
            for (BlockBackend storage : storages) {
                if (request.kind().equals(StorageRequest.READ)) {
                    WriteMap map = track(storage, ends);
                    fds.add(storage.openData(false));
                    fds.add(map.share());
                } else {
                    // What another server has is the source itself, at the worst.
                    storage.claim();
                    fds.add(storage.openData(true));
                }
            }
            String reply = Output.jsonLine(
                    "Storage",
                    storages,
                    (storage, json) -> json.object()
                            .field("sizeBytes", storage.sizeBytes())
                            .field("description", storage.describe())
                            .end());
            channel.send(reply.getBytes(StandardCharsets.UTF_8), fds, SEND_NS);
        } finally {
            fds.forEach(Fd::close);
        }
    }

    private static WriteMap track(BlockBackend storage, List<Runnable> ends) {
        if (!(storage instanceof TrackedBackend tracked)) {
            throw new ErrnoException(EOPNOTSUPP, "copy of " + storage.describe() + ", which holds nothing");
        }
        WriteMap map = tracked.startTracking();
        ends.add(tracked::stopTracking);
        return map;
    }

    private MachineFunction function(String socket) {
        return machine.functions().stream()
                .filter(function ->
                        !socket.isEmpty() && function.state().socket().equals(socket))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(ENODEV, "a function at " + socket));
    }

    /** It says nothing more, and goes. */
    private static void awaitEnd(FdChannel channel) {
        while (true) {
            try (FdChannel.Packet packet = channel.receive(0, LOOK.toNanos())) {
                LOG.log(
                        Level.DEBUG,
                        "{0} descriptors that nobody wants",
                        packet.fds().size());
            } catch (ErrnoException e) {
                if (e.errno() != ETIMEDOUT) {
                    return;
                }
            }
        }
    }

    private static void tell(FdChannel channel, ErrnoException failure) {
        try {
            channel.send(ServerControl.failure(failure).getBytes(StandardCharsets.UTF_8), List.of(), SEND_NS);
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "who wanted to copy is gone: {0}", e.getMessage());
        }
    }
}
