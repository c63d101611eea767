package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.BusDevice;
import org.vfio4j.bus.DriverAlias;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.bus.PciSriov;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * A function of a {@link Machine}: the emulated device, its place on the bus, and the server that offers it while a driver has it,
 * its own or one of the auxiliary device that is about it. Any thread may call it; one changes it at a time, and a second one is
 * refused.
 */
final class MachineFunction implements AutoCloseable {

    private final EmulatedDevice emulated;
    private final PciDevice device;
    private final Machine machine;
    private final Placed.Use use;
    private final Unplug unplug;
    private final Optional<PciAddress> emulatedBy;
    private final ReentrantLock change = new ReentrantLock();

    private volatile Optional<VfioDevice> vfio = Optional.empty();
    private volatile Optional<LocalDeviceFile> served = Optional.empty();
    private volatile Optional<VfioUserServer> server = Optional.empty();
    private volatile Optional<Service> service = Optional.empty();
    private volatile Inspection inspection = Inspection.NOTHING;

    /** How it is served whenever it has a driver. */
    private record Service(Endpoint endpoint, VfioUserServerOptions options) {}

    /** How it goes: waits for its user up to a limit, and closes what it stands on. */
    private interface Unplug {
        void within(Duration limit);
    }

    private MachineFunction(
            EmulatedDevice emulated,
            PciDevice device,
            Machine machine,
            Placed.Use use,
            Unplug unplug,
            Optional<PciAddress> emulatedBy) {
        this.emulated = emulated;
        this.device = device;
        this.machine = machine;
        this.use = use;
        this.unplug = unplug;
        this.emulatedBy = emulatedBy;
    }

    /**
     * One of its own.
     *
     * @param placed closed with it
     * @param device what it is on the bus
     */
    static MachineFunction plugged(Placed.Function placed, PciDevice device, Machine machine) {
        Unplug unplug = limit -> {
            device.bus().remove(device, limit);
            placed.close();
        };
        return new MachineFunction(placed.device(), device, machine, placed.use(), unplug, Optional.empty());
    }

    /**
     * One that a DPU emulates and has plugged in.
     *
     * @param device the DPU closes it
     * @param by which of the DPU's functions it is behind
     */
    static MachineFunction emulated(
            EmulatedDevice device,
            PciDevice plugged,
            Machine machine,
            Bluefield dpu,
            SnapFunction snap,
            PciAddress by) {
        EmulatedDevice tuned = device.withTuning(new SnapTuning(dpu, snap, device.tuning()));
        Unplug unplug = limit -> dpu.delete(snap, limit);
        return new MachineFunction(tuned, plugged, machine, Placed.Use.VFIO, unplug, Optional.of(by));
    }

    /**
     * One that is a virtual function, and goes with its physical one.
     *
     * @param device its physical function's maker closes it
     */
    static MachineFunction virtual(
            EmulatedDevice device, PciDevice plugged, Machine machine, MachineFunction physical) {
        String of = "virtual function of " + physical.device + ", ";
        EmulatedDevice described = device.withDescription(() -> of + device.description());
        return new MachineFunction(described, plugged, machine, Placed.Use.VFIO, limit -> {}, physical.emulatedBy);
    }

    PciDevice device() {
        return device;
    }

    /** One of the virtual functions that it can have. */
    EmulatedDevice.Virtual virtual(int index) {
        return emulated.virtuals().get(index);
    }

    /** Has the driver know the machine's VF token, if it is not served, which does that too. */
    void showToken() {
        if (!isServed() && vfio.isPresent()) {
            open().close();
        }
    }

    /** Opens it for the caller, who closes the file before the machine. */
    LocalDeviceFile open() {
        return vfio.orElseThrow(() -> new ErrnoException(ENODEV, "open " + device + ": it has no driver"))
                .open(machine.virtuals().token(device));
    }

    /** Serves it from now on, whenever it has a driver; a machine that takes over serves nothing before it has. */
    void serve(Endpoint endpoint, VfioUserServerOptions options) {
        exclusively("serve", List.of(this), () -> {
            service = Optional.of(new Service(endpoint, options));
            if (vfio.isPresent()) {
                startServer();
            }
        });
    }

    /** Whether it is served now. */
    boolean isServed() {
        return server.isPresent();
    }

    /** What it stands on. */
    List<BlockBackend> storages() {
        return emulated.storages();
    }

    /**
     * Stops it for another process to go on with it, between two messages of its client and with no request under way. After this comes
     * {@link #goOn} or {@link #leaveToOther}, from the same thread: nobody else changes it meanwhile.
     *
     * @param limit how long the client may keep it busy
     * @throws ErrnoException EOPNOTSUPP when it cannot be handed over, EBUSY, ETIMEDOUT: it works as before then
     */
    MovingFunction handOver(Duration limit) {
        if (!change.tryLock()) {
            throw new ErrnoException(EBUSY, "hand over " + device + ": it is being bound or unbound");
        }
        try {
            VfioUserServer serving = server.orElseThrow(
                    () -> new ErrnoException(EOPNOTSUPP, "hand over " + device + ", which is not served"));
            FunctionState state = functionState();
            state.suspend();
            try {
                return MovingFunction.of(device.toString(), serving.handOver(limit), state.save(), storages());
            } catch (RuntimeException e) {
                state.resume();
                throw e;
            }
        } catch (RuntimeException e) {
            change.unlock();
            throw e;
        }
    }

    /** Takes {@link #handOver} back. */
    void goOn() {
        functionState().resume();
        server.ifPresent(VfioUserServer::goOn);
        change.unlock();
    }

    /** Another process has it. */
    void leaveToOther() {
        server.ifPresent(VfioUserServer::leaveToOther);
        server = Optional.empty();
        served = Optional.empty();
        service = Optional.empty();
        change.unlock();
    }

    /**
     * Goes on where another process stopped. It serves nobody before {@link #startTakenOver}.
     *
     * @throws ErrnoException EINVAL when it is another function, or set up otherwise
     */
    void takeOver(MovingFunction from) {
        exclusively("take over", List.of(this), () -> {
            Service how = service.orElseThrow(
                    () -> new ErrnoException(EINVAL, "take over " + device + ", which is not served here"));
            FunctionState state = functionState();
            state.suspend();
            LocalDeviceFile file = open();
            try {
                inspection = Inspection.of(file);
                VfioUserServer taken = VfioUserServer.takeOver(machine.eventLoop(), from.server(), file, how.options());
                server = Optional.of(taken);
                served = Optional.of(file);
            } catch (RuntimeException e) {
                file.close();
                throw e;
            }
            state.load(from.state());
        });
    }

    /** Works, and serves its client. */
    void startTakenOver() {
        functionState().resume();
        server.ifPresent(VfioUserServer::startTakenOver);
    }

    /** Serves it, when nobody did where it comes from. */
    void serveIfBound() {
        exclusively("serve", List.of(this), this::serveAgain);
    }

    private FunctionState functionState() {
        if (device.function().bars().stream()
                .anyMatch(bar -> device.function().barMemory(bar.index()).isPresent())) {
            throw new ErrnoException(EOPNOTSUPP, "hand over " + device + ", whose doorbells its client has mapped");
        }
        // Of what is emulated: one that a DPU emulates has its state from the host's view only through the DPU.
        return emulated.function()
                .platform(FunctionState.class)
                .orElseThrow(() -> new ErrnoException(
                        EOPNOTSUPP, "hand over " + device + ": a " + emulated.kind() + " cannot be"));
    }

    /**
     * Gives it to a VFIO driver, and serves it, as well as the functions that its parts are about. When that fails it is as before.
     *
     * @param wanted empty for the driver that knows it best: one of its auxiliary device, if there is one
     * @throws ErrnoException EBUSY when a driver has it, ENODEV when there is no such driver, or when the driver is none of VFIO's;
     *     what the socket's path is refused with
     */
    void bind(Optional<String> wanted) {
        exclusively("bind", List.of(this), () -> bindNow(wanted));
        machine.dependents(device).forEach(MachineFunction::serveWhatIsBound);
    }

    /**
     * Has the bus do what may give it a driver, and serves it if that is one of VFIO's: unlike {@link #bind}, the driver need not be
     * named by driver_override.
     *
     * @throws ErrnoException EBUSY when another request is at it; what {@code onBus} and the socket's path say
     */
    void attach(Runnable onBus) {
        exclusively("bind", List.of(this), () -> {
            onBus.run();
            if (vfio.isEmpty() && findVfioDevice().isPresent()) {
                startOrUnbind();
            }
        });
        machine.dependents(device).forEach(MachineFunction::serveWhatIsBound);
    }

    /**
     * As {@link #bind}, for a function that has just been plugged in, which a driver may have taken by itself: that one keeps it when it is
     * one of VFIO's, and no other is wanted.
     */
    void bindFirst(Optional<String> wanted) {
        exclusively("bind", List.of(this), () -> {
            Optional<String> has = driverName();
            if (has.isPresent() && wanted.orElse(has.get()).equals(has.get()) && isItsUsers()) {
                startOrUnbind();
                return;
            }
            if (has.isPresent()) {
                takeAway(PciBus.FOREVER);
            }
            bindNow(wanted);
        });
    }

    private void bindNow(Optional<String> wanted) {
        if (use == Placed.Use.NATIVE) {
            bindNative(wanted);
            return;
        }
        Optional<AuxiliaryDevice> part = part().filter(found -> found.driver().isEmpty());
        Optional<String> ofPart = part.flatMap(found -> driverOf(found, wanted));
        if (part.isPresent() && ofPart.isPresent()) {
            device.driver().ifPresent(has -> {
                throw new ErrnoException(EBUSY, "bind " + part.get() + ": " + has.name() + " has " + device);
            });
            part.get().bus().bind(part.get(), ofPart.get());
            startOrUnbind();
            return;
        }
        PciBus bus = device.bus();
        String driver = wanted.orElseGet(this::bestDriver);
        Optional<String> before = device.driverOverride();
        bus.setDriverOverride(device, Optional.of(driver));
        try {
            bus.bind(device, driver);
            startOrUnbind();
        } catch (RuntimeException e) {
            bus.setDriverOverride(device, before);
            throw e;
        }
    }

    // Its driver has it for itself: any may, and none has to.
    private void bindNative(Optional<String> wanted) {
        if (wanted.isPresent()) {
            device.bus().bind(device, wanted.get());
            return;
        }
        device.driver().ifPresent(has -> {
            throw new ErrnoException(EBUSY, "bind " + device + ": " + has.name() + " has it");
        });
        device.bus().probe(device);
    }

    /** Whether the driver that it has is one of those it is to have. */
    private boolean isItsUsers() {
        return use == Placed.Use.NATIVE || findVfioDevice().isPresent();
    }

    /**
     * Takes it from its driver. Its client is asked to let go, and those of the functions that its parts are about; nobody is let in
     * any more, and the sockets go.
     *
     * @param limit how long to wait for the clients
     * @throws ErrnoException EBUSY when a client has not let go: everything is as before then. ENODEV when it has no driver
     */
    void unbind(Duration limit) {
        List<MachineFunction> all = withVirtuals();
        all.addAll(machine.dependents(device));
        take("unbind", all, () -> takeAway(limit));
        machine.virtuals().forgetGone();
    }

    /**
     * Ends it, when a DPU emulates it; otherwise as {@link #unbind}.
     *
     * @throws ErrnoException also EOPNOTSUPP when no DPU emulates it
     */
    void delete(Duration limit) {
        if (emulatedBy.isEmpty()) {
            throw new ErrnoException(EOPNOTSUPP, "delete " + device + ": no DPU emulates it");
        }
        take("delete", withVirtuals(), () -> unplug.within(limit));
        service.ifPresent(s -> s.endpoint().close());
    }

    private List<MachineFunction> withVirtuals() {
        List<MachineFunction> all = new ArrayList<>(List.of(this));
        all.addAll(machine.virtuals().of(device));
        return all;
    }

    /** Has functions lose their driver: their clients are asked to let go. When that fails they are served as before. */
    static void take(String what, List<MachineFunction> all, Runnable taking) {
        exclusively(what, all, () -> {
            all.forEach(MachineFunction::letGo);
            try {
                taking.run();
            } catch (ErrnoException e) {
                if (!anyLostItsServer(all)) {
                    all.forEach(MachineFunction::serveAgain);
                    throw e;
                }
                // The client went at the last moment, and the server with it: nobody is to be waited for.
                takeOrServe(taking, all);
            }
            all.forEach(MachineFunction::driverGone);
        });
    }

    private static void takeOrServe(Runnable taking, List<MachineFunction> all) {
        try {
            taking.run();
        } catch (ErrnoException e) {
            all.forEach(MachineFunction::serveAgain);
            throw e;
        }
    }

    private static boolean anyLostItsServer(List<MachineFunction> all) {
        boolean lost = false;
        for (MachineFunction function : all) {
            // Each is asked: those that still have it go on.
            lost |= function.lostItsServer();
        }
        return lost;
    }

    private static Optional<String> driverOf(AuxiliaryDevice part, Optional<String> wanted) {
        return part.bus().matching(part).stream()
                .map(AuxiliaryDriver::name)
                .filter(name -> wanted.orElse(name).equals(name))
                .findFirst();
    }

    // The driver of an auxiliary device may have the function bound to itself, and gives it back with the device.
    private void takeAway(Duration limit) {
        Optional<AuxiliaryDevice> part = part().filter(found -> found.driver().isPresent());
        part.ifPresent(found -> found.bus().unbind(found, limit));
        if (part.isEmpty() || device.driver().isPresent()) {
            device.bus().unbind(device, limit);
        }
    }

    private void letGo() {
        if (server.isPresent() && !server.get().closeAfterClient()) {
            stopServer();
        }
    }

    private boolean lostItsServer() {
        if (server.isEmpty() || server.get().stay()) {
            return false;
        }
        stopServer();
        return true;
    }

    private void driverGone() {
        stopServer();
        vfio = Optional.empty();
        inspection = Inspection.NOTHING;
    }

    /** Nobody was connected to it, and another's client stayed. */
    private void serveAgain() {
        if (server.isEmpty() && service.isPresent() && vfio.isPresent()) {
            startServer();
        }
    }

    /** A driver may have it again, because another device has got its driver. */
    private void serveWhatIsBound() {
        try {
            exclusively("serve", List.of(this), () -> {
                if (vfio.isEmpty() && findVfioDevice().isPresent()) {
                    startOrUnbind();
                }
            });
        } catch (ErrnoException e) {
            // What was asked for is done, and it was about another function.
            System.getLogger(MachineFunction.class.getName())
                    .log(System.Logger.Level.WARNING, "{0} is not served: {1}", device, e.getMessage());
        }
    }

    /** What can be changed of the device while it is used. */
    DeviceTuning tuning() {
        return emulated.tuning();
    }

    /** What it is now, for others. */
    ServerState.Function state() {
        Inspection seen = inspection;
        Optional<AuxiliaryDevice> part = part();
        List<String> candidates = new ArrayList<>();
        part.ifPresent(found -> found.bus().matching(found).forEach(driver -> candidates.add(driver.name())));
        device.bus().vfioDrivers(device.modalias()).forEach(alias -> candidates.add(alias.driver()));
        return new ServerState.Function(
                device.toString(),
                MachineState.id(device),
                emulated.kind(),
                emulated.description(),
                driverName().orElse(""),
                vfio.map(VfioDevice::name).orElse(""),
                service.map(s -> s.endpoint().socket()).orElse(""),
                device.driverOverride().orElse(""),
                candidates,
                seen.regions(),
                seen.irqs(),
                seen.features(),
                seen.migration(),
                device.parent().map(BusDevice::name).orElse(""),
                part.map(AuxiliaryDevice::name).orElse(""),
                serving(),
                served.flatMap(LocalDeviceFile::migrationState).map(Enum::name).orElse(""),
                emulatedBy.map(PciAddress::toString).orElse(""),
                device.physicalFunction().map(PciDevice::toString).orElse(""),
                device.sriov().map(PciSriov::numVfs).orElse(0),
                device.sriov().map(PciSriov::totalVfs).orElse(0));
    }

    private String serving() {
        return service.map(s ->
                        s.endpoint().socket().isEmpty() ? ServerState.Function.INHERITED : ServerState.Function.AT_PATH)
                .orElse(ServerState.Function.UNSERVED);
    }

    /** What it has done, for others; empty for a kind that does not count. */
    Optional<FunctionStatistics> statistics(boolean queues) {
        return device.function().platform(DeviceStatistics.class).map(counted -> {
            List<QueueSnapshot> each = counted.queues();
            return new FunctionStatistics(
                    device.toString(),
                    emulated.kind(),
                    emulated.description(),
                    vfio.map(VfioDevice::name).orElse(""),
                    service.map(s -> s.endpoint().socket()).orElse(""),
                    counted.cpuNs(),
                    counted.slowNs(),
                    QueueSnapshot.sum(each),
                    queues ? each : List.of());
        });
    }

    /** Lets its client go, and ends the wait of another thread for that. */
    void hangUp() {
        server.ifPresent(VfioUserServer::close);
    }

    @Override
    public void close() {
        hangUp();
        change.lock();
        try {
            stopServer();
            unplug.within(PciBus.FOREVER);
            service.ifPresent(s -> s.endpoint().close());
        } finally {
            change.unlock();
        }
    }

    private void startOrUnbind() {
        if (use == Placed.Use.NATIVE) {
            return;
        }
        try {
            vfio = Optional.of(vfioDevice());
            if (service.isPresent()) {
                startServer();
            }
        } catch (RuntimeException e) {
            takeAway(PciBus.FOREVER);
            driverGone();
            throw e;
        }
    }

    private void startServer() {
        if (machine.isTakingOver()) {
            return;
        }
        Service how = service.orElseThrow();
        LocalDeviceFile file = open();
        try {
            inspection = Inspection.of(file);
            server = Optional.of(how.endpoint().serve(machine.eventLoop(), file, how.options()));
            served = Optional.of(file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private void stopServer() {
        server.ifPresent(VfioUserServer::close);
        server = Optional.empty();
        served = Optional.empty();
    }

    /** The auxiliary device that is about it. */
    Optional<AuxiliaryDevice> part() {
        return device.bus().auxiliary().devices().stream()
                .filter(found ->
                        MachineState.functionOf(found).filter(device::equals).isPresent())
                .findFirst();
    }

    /** The driver that has it, or the auxiliary device that is about it. */
    private Optional<String> driverName() {
        return device.driver()
                .map(PciDriver::name)
                .or(() -> part().flatMap(AuxiliaryDevice::driver).map(AuxiliaryDriver::name));
    }

    private String bestDriver() {
        List<DriverAlias> matching = device.bus().vfioDrivers(device.modalias());
        if (matching.isEmpty()) {
            throw new ErrnoException(ENODEV, "bind " + device + ": no VFIO driver matches " + device.modalias());
        }
        return matching.getFirst().driver();
    }

    private VfioDevice vfioDevice() {
        return findVfioDevice()
                .orElseThrow(() -> new ErrnoException(
                        ENODEV,
                        "VFIO device of " + device + ": driver " + driverName().orElse("(none)") + " makes none"));
    }

    private Optional<VfioDevice> findVfioDevice() {
        return machine.registry().devices().stream()
                .filter(found -> found.parentName().equals(device.toString()))
                .findFirst();
    }

    private static void exclusively(String what, List<MachineFunction> all, Runnable work) {
        List<MachineFunction> held = new ArrayList<>();
        try {
            for (MachineFunction function : all) {
                if (!function.change.tryLock()) {
                    throw new ErrnoException(
                            EBUSY, what + " " + function.device + ": it is being bound or unbound already");
                }
                held.add(function);
            }
            work.run();
        } finally {
            held.forEach(function -> function.change.unlock());
        }
    }
}
