package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.time.Duration;
import java.util.Optional;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.state.Inspection;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfiouser.ServerHandover;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * How a function is offered to clients: the VFIO device that its driver has made of it, the server of that while it is to be served, and how
 * both go to another process. Any thread asks, and one at a time changes it.
 */
final class FunctionService {

    /** How it is served whenever it has a driver. */
    private record How(Endpoint endpoint, VfioUserServerOptions options) {}

    private final EmulatedDevice emulated;
    private final PciDevice device;
    private final Machine machine;

    private volatile Optional<VfioDevice> vfio = Optional.empty();
    private volatile Optional<LocalDeviceFile> served = Optional.empty();
    private volatile Optional<VfioUserServer> server = Optional.empty();
    private volatile Optional<How> how = Optional.empty();
    private volatile Inspection inspection = Inspection.NOTHING;

    // Open and suspended, to go on where another process stops.
    private Optional<LocalDeviceFile> prepared = Optional.empty();

    FunctionService(EmulatedDevice emulated, PciDevice device, Machine machine) {
        this.emulated = emulated;
        this.device = device;
        this.machine = machine;
    }

    /** What its driver has made of it; empty without a driver of VFIO's. */
    Optional<VfioDevice> vfio() {
        return vfio;
    }

    /** Where it is to be served; empty for nowhere. */
    Optional<Endpoint> endpoint() {
        return how.map(How::endpoint);
    }

    Inspection inspection() {
        return inspection;
    }

    boolean isServed() {
        return server.isPresent();
    }

    /** Where its migration is, empty when it cannot migrate or is not served. */
    String migrationState() {
        return served.flatMap(LocalDeviceFile::migrationState).map(Enum::name).orElse("");
    }

    /** As {@link ServerState.Function#serving}. */
    String serving() {
        return endpoint()
                .map(at -> at.socket().isEmpty() ? ServerState.Function.INHERITED : ServerState.Function.AT_PATH)
                .orElse(ServerState.Function.UNSERVED);
    }

    /** Has the driver know the machine's VF token, if it is not served, which does that too. */
    void showToken() {
        if (!isServed() && vfio.isPresent()) {
            open().close();
        }
    }

    /** Opens it for the caller. */
    LocalDeviceFile open() {
        return vfio.orElseThrow(() -> new ErrnoException(ENODEV, "open " + device + ": it has no driver"))
                .open(machine.virtuals().token(device));
    }

    /** It is served from now on, whenever it has a driver. */
    void serve(Endpoint endpoint, VfioUserServerOptions options) {
        how = Optional.of(new How(endpoint, options));
        if (vfio.isPresent()) {
            start();
        }
    }

    /** It is served elsewhere than was said, when nobody serves it yet. */
    void moveTo(Endpoint other) {
        how = how.map(was -> new How(other, was.options()));
    }

    /** It has got a driver. */
    void driverCame(VfioDevice made) {
        vfio = Optional.of(made);
        if (how.isPresent()) {
            start();
        }
    }

    /** It has lost its driver. */
    void driverGone() {
        stop();
        vfio = Optional.empty();
        inspection = Inspection.NOTHING;
    }

    /** Its client is to let go, and nobody is let in any more. */
    void letGo() {
        if (server.isPresent() && !server.get().closeAfterClient()) {
            stop();
        }
    }

    /** Takes {@link #letGo} back. Returns whether it was too late for that, and the server is gone. */
    boolean hasLetGo() {
        if (server.isEmpty() || server.get().stay()) {
            return false;
        }
        stop();
        return true;
    }

    /** Serves it if it is to be served, and nobody does. */
    void serveAgain() {
        if (server.isEmpty() && how.isPresent() && vfio.isPresent()) {
            start();
        }
    }

    /** Ends its client's connection. From any thread. */
    void hangUp() {
        server.ifPresent(VfioUserServer::close);
    }

    void stop() {
        server.ifPresent(VfioUserServer::close);
        server = Optional.empty();
        served = Optional.empty();
    }

    /** Removes the socket. */
    void closeEndpoint() {
        endpoint().ifPresent(Endpoint::close);
    }

    private void start() {
        // Who takes over serves nothing before it has.
        if (!machine.isTakingOver()) {
            How now = how.orElseThrow();
            start(file -> now.endpoint().serve(machine.eventLoop(), file, now.options()));
        }
    }

    private interface Starter {
        VfioUserServer start(LocalDeviceFile file);
    }

    private void start(Starter starter) {
        start(inspected(), starter);
    }

    private LocalDeviceFile inspected() {
        LocalDeviceFile file = open();
        try {
            inspection = Inspection.of(file);
            return file;
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private void start(LocalDeviceFile file, Starter starter) {
        try {
            server = Optional.of(starter.start(file));
            served = Optional.of(file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** See {@link MachineFunction#handOver}. */
    MovingFunction handOver(Duration limit) {
        VfioUserServer serving = server.orElseThrow(
                () -> new ErrnoException(EOPNOTSUPP, "hand over " + device + ", which is not served"));
        return inside().handOver(serving, limit);
    }

    /** Takes {@link #handOver} back. */
    void goOn() {
        inside().state().resume();
        server.ifPresent(VfioUserServer::goOn);
    }

    /** Another process has it. */
    void leaveToOther() {
        inside().leave();
        server.ifPresent(VfioUserServer::leaveToOther);
        server = Optional.empty();
        served = Optional.empty();
        closeEndpoint();
        how = Optional.empty();
    }

    /** See {@link MachineFunction#prepare}. */
    void prepare() {
        if (how.isPresent() && vfio.isPresent()) {
            DeviceInside inside = inside();
            prepared = Optional.of(inspected());
            // Opening it has reset it, which lets it go on.
            inside.state().suspend();
        }
    }

    /** See {@link MachineFunction#unprepare}. */
    void unprepare() {
        if (prepared.isPresent()) {
            inside().state().resume();
            prepared.get().close();
            prepared = Optional.empty();
        }
    }

    /** See {@link MachineFunction#takeOver}. */
    void takeOver(MovingFunction from) {
        LocalDeviceFile file = prepared.orElseThrow(
                () -> new ErrnoException(EINVAL, "take over " + device + ", which is not served here"));
        prepared = Optional.empty();
        VfioUserServerOptions options = how.orElseThrow().options();
        start(file, own -> VfioUserServer.takeOver(machine.eventLoop(), from.server(), own, options));
        inside().load(from);
    }

    /** See {@link MachineFunction#resume}. */
    void resume(Endpoint.Kept endpoint, Optional<ServerHandover> client) {
        FunctionJournal journal = journal();
        inside().state().suspend();
        VfioUserServerOptions options = how.orElseThrow().options();
        start(file -> endpoint.resume(machine.eventLoop(), file, options, client));
        journal.recover(endpoint.memory().address());
    }

    /** It works, and serves its client, after {@link #takeOver} or {@link #resume}. */
    void startTakenOver() {
        inside().state().resume();
        server.ifPresent(VfioUserServer::startTakenOver);
    }

    /** What it keeps of itself outside of this process. */
    FunctionJournal journal() {
        return device.function()
                .platform(FunctionJournal.class)
                .orElseThrow(() -> new ErrnoException(
                        EOPNOTSUPP,
                        "supervise " + device + ": "
                                + (emulated.isHardware()
                                        ? "hardware is reset when its process ends, and"
                                        : "a " + emulated.kind())
                                + " cannot go on after a crash"));
    }

    /** Of what is emulated: one that a DPU emulates has its state from the host's view only through the DPU. */
    private DeviceInside inside() {
        return DeviceInside.of(device.toString(), emulated.kind(), emulated.function());
    }

    /** See {@link MachineFunction#keepIn}. */
    void keepIn(KeptFunction memory) {
        FunctionState state = inside().state();
        state.suspend();
        journal().recover(memory.address());
        state.resume();
    }
}
