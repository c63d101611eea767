package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.ScalableParts;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.Inspection;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** An mdev that is served at a socket of its own. Any thread calls; one at a time takes it away, which {@link #hold} sees to. */
public final class MdevService implements Movable {

    private final MdevDevice device;
    private final Path socket;
    private final Machine machine;
    private final VfioUserServerOptions options;
    private final AtomicBoolean held = new AtomicBoolean();

    private volatile Optional<VfioUserServer> server = Optional.empty();

    // Open and suspended, to go on where another process stops.
    private Optional<LocalDeviceFile> prepared = Optional.empty();

    private volatile ServerState.Mdev state;

    /**
     * Serves it, unless the machine waits for what another process gives it.
     *
     * @throws ErrnoException what keeps it from being opened or served
     */
    MdevService(MdevDevice device, Path socket, Machine machine, VfioUserServerOptions options) {
        this.device = device;
        this.socket = socket;
        this.machine = machine;
        this.options = options;
        LocalDeviceFile file = open();
        state = inspect(file);
        if (machine.isTakingOver()) {
            file.close();
        } else {
            serve(file);
        }
    }

    private LocalDeviceFile open() {
        return VfioMdevDriver.vfioDevice(device).open();
    }

    private ServerState.Mdev inspect(LocalDeviceFile file) {
        try {
            Inspection seen = Inspection.of(file);
            return new ServerState.Mdev(
                    device.uuid().toString(),
                    device.parent().name(),
                    device.type().name(),
                    device.type().prettyName(),
                    file.device().name(),
                    socket.toString(),
                    seen.regions(),
                    seen.irqs(),
                    seen.features(),
                    seen.migration());
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private void serve(LocalDeviceFile file) {
        start(file, own -> VfioUserServer.listen(machine.eventLoop(), socket, own, options));
    }

    private void start(LocalDeviceFile file, Function<LocalDeviceFile, VfioUserServer> starter) {
        try {
            server = Optional.of(starter.apply(file));
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    public MdevDevice device() {
        return device;
    }

    Path socket() {
        return socket;
    }

    /** What is told of it: the same object until that changes. */
    ServerState.Mdev state() {
        return state;
    }

    /**
     * What it has done, if it counts that.
     *
     * @param queues whether each queue is told by itself too
     */
    Optional<FunctionStatistics> statistics(boolean queues) {
        return device.instance().platform(DeviceStatistics.class).map(counted -> {
            List<QueueSnapshot> each = counted.queues();
            return new FunctionStatistics(
                    device.uuid().toString(),
                    device.type().name(),
                    device.type().prettyName(),
                    state.vfioDevice(),
                    socket.toString(),
                    counted.cpuNs(),
                    counted.slowNs(),
                    QueueSnapshot.sum(each),
                    queues ? each : List.of());
        });
    }

    /**
     * Keeps others from taking it away, until {@link #release}.
     *
     * @throws ErrnoException EBUSY when another is at it
     */
    void hold() {
        if (!held.compareAndSet(false, true)) {
            throw new ErrnoException(EBUSY, "stop mdev " + device.uuid() + ": it is being stopped already");
        }
    }

    void release() {
        held.set(false);
    }

    /** Lets nobody in any more, and closes it when its client goes: at once when there is none. */
    void letGo() {
        if (server.isPresent() && !server.get().closeAfterClient()) {
            close();
        }
    }

    /** Takes {@link #letGo} back. Returns whether that came too late: its client has gone, and it is served no more. */
    boolean lostItsServer() {
        if (server.isEmpty() || server.get().stay()) {
            return false;
        }
        close();
        return true;
    }

    /** Serves it again, if it is not. */
    void serveAgain() {
        if (server.isEmpty()) {
            LocalDeviceFile file = open();
            state = inspect(file);
            serve(file);
        }
    }

    /** Hangs up on its client, and lets nobody in any more. */
    void close() {
        server.ifPresent(VfioUserServer::close);
        server = Optional.empty();
    }

    @Override
    public String name() {
        return device.uuid().toString();
    }

    @Override
    public boolean isServed() {
        return server.isPresent();
    }

    /** What it stands on; nothing for one that is no disk. */
    List<BlockBackend> storages() {
        return machine.findScalable(device).map(ScalableParts::storage).stream().toList();
    }

    /** Whether it is of a kind that can go to another process. */
    public boolean isMovable() {
        return machine.findScalable(device).isPresent();
    }

    private DeviceInside inside() {
        ScalableParts parts = machine.findScalable(device)
                .orElseThrow(() -> new ErrnoException(
                        EOPNOTSUPP,
                        "hand over " + device + ": one of " + device.parent().name() + " cannot be"));
        return DeviceInside.of(name(), device.type().name(), parts.function());
    }

    @Override
    public MovingFunction handOver(Duration limit) {
        hold();
        try {
            VfioUserServer serving = server.orElseThrow(
                    () -> new ErrnoException(EOPNOTSUPP, "hand over " + device + ", which is not served"));
            return inside().handOver(serving, limit);
        } catch (RuntimeException e) {
            release();
            throw e;
        }
    }

    @Override
    public void goOn() {
        inside().state().resume();
        server.ifPresent(VfioUserServer::goOn);
        release();
    }

    @Override
    public void leaveToOther() {
        inside().leave();
        server.ifPresent(VfioUserServer::leaveToOther);
        server = Optional.empty();
        release();
    }

    @Override
    public void prepare() {
        if (isMovable()) {
            prepared = Optional.of(open());
            // Opening it has reset it, which lets it go on.
            inside().state().suspend();
        }
    }

    @Override
    public void unprepare() {
        if (prepared.isPresent()) {
            inside().state().resume();
            prepared.get().close();
            prepared = Optional.empty();
        }
    }

    @Override
    public void takeOver(MovingFunction from) {
        LocalDeviceFile file = prepared.orElseThrow(
                () -> new ErrnoException(EINVAL, "take over " + device + ", which is not served here"));
        prepared = Optional.empty();
        start(file, own -> VfioUserServer.takeOver(machine.eventLoop(), from.server(), own, options));
        inside().load(from);
    }

    @Override
    public void startTakenOver() {
        inside().state().resume();
        server.ifPresent(VfioUserServer::startTakenOver);
    }
}
