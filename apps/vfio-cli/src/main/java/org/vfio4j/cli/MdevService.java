package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EBUSY;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import org.vfio4j.vfiouser.VfioUserServer;

/** An mdev that is served at a socket of its own. Any thread calls; one at a time takes it away, which {@link #hold} sees to. */
final class MdevService {

    private final MdevDevice device;
    private final Path socket;
    private final Server how;
    private final AtomicBoolean held = new AtomicBoolean();

    private volatile VfioUserServer server;
    private volatile ServerState.Mdev state;
    private volatile boolean ended;

    /** How mdevs are served: takes an open one, and where. */
    interface Server {
        VfioUserServer listen(LocalDeviceFile file, Path socket);
    }

    /** @throws ErrnoException what keeps it from being opened or served */
    MdevService(MdevDevice device, Path socket, Server how) {
        this.device = device;
        this.socket = socket;
        this.how = how;
        LocalDeviceFile file = open();
        state = inspect(file);
        server = listen(file);
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

    private VfioUserServer listen(LocalDeviceFile file) {
        try {
            return how.listen(file, socket);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    MdevDevice device() {
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
        if (!ended && !server.closeAfterClient()) {
            close();
        }
    }

    /** Takes {@link #letGo} back. Returns whether that came too late: its client has gone, and it is served no more. */
    boolean lostItsServer() {
        if (ended || server.stay()) {
            return false;
        }
        close();
        return true;
    }

    /** Serves it again, if it is not. */
    void serveAgain() {
        if (ended) {
            LocalDeviceFile file = open();
            state = inspect(file);
            server = listen(file);
            ended = false;
        }
    }

    /** Hangs up on its client, and lets nobody in any more. */
    void close() {
        server.close();
        ended = true;
    }
}
