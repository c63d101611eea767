package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciSriov;
import org.vfio4j.cli.device.DeviceTuning;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.device.Placed;
import org.vfio4j.cli.device.SnapTuning;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfiouser.ServerHandover;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * A function of a {@link Machine}: the emulated device, its place on the bus, and the server that offers it while a driver has it,
 * its own or one of the auxiliary device that is about it. Any thread may call it; one changes it at a time, and a second one is
 * refused.
 */
public final class MachineFunction implements Movable, AutoCloseable {

    private static final Logger LOG = System.getLogger(MachineFunction.class.getName());

    private final EmulatedDevice emulated;
    private final PciDevice device;
    private final Machine machine;
    private final Unplug unplug;
    private final Optional<PciAddress> emulatedBy;
    private final FunctionDriver driver;
    private final FunctionService service;
    private final FunctionBinding binding;
    private final FunctionReport report;

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
        this.unplug = unplug;
        this.emulatedBy = emulatedBy;
        driver = new FunctionDriver(device, use, machine.registry());
        service = new FunctionService(emulated, device, machine);
        binding = new FunctionBinding(device, driver, service);
        report = new FunctionReport(emulated, device, driver, service, emulatedBy);
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

    public PciDevice device() {
        return device;
    }

    @Override
    public String name() {
        return device.toString();
    }

    /** The virtual functions that it can have. */
    List<EmulatedDevice.Virtual> virtuals() {
        return emulated.virtuals();
    }

    /** Has the driver know the machine's VF token, if it is not served, which does that too. */
    void showToken() {
        service.showToken();
    }

    /** Opens it for the caller, who closes the file before the machine. */
    public LocalDeviceFile open() {
        return service.open();
    }

    /** Serves it from now on, whenever it has a driver; a machine that takes over serves nothing before it has. */
    public void serve(Endpoint endpoint, VfioUserServerOptions options) {
        binding.exclusively("serve", () -> service.serve(endpoint, options));
    }

    /** The same at a path, as its machine serves there. */
    public void serveAt(Path path, VfioUserServerOptions options) {
        serve(machine.keeping().endpoint(this, path), options);
    }

    /** Where it is to be served; empty for nowhere. */
    public Optional<Endpoint> endpoint() {
        return service.endpoint();
    }

    /** The socket of a parent process's at which it is to be served, if it is that: a duplicate, the caller's. */
    public Optional<Fd> shareSocket() {
        return service.endpoint().flatMap(Endpoint::shareInherited);
    }

    /** Has it served elsewhere than was said, before it is served at all. */
    public void moveTo(Endpoint other) {
        binding.exclusively("serve", () -> service.moveTo(other));
    }

    @Override
    public boolean isServed() {
        return service.isServed();
    }

    /** What it stands on. */
    public List<BlockBackend> storages() {
        return emulated.storages();
    }

    @Override
    public MovingFunction handOver(Duration limit) {
        binding.hold("hand over");
        try {
            return service.handOver(limit);
        } catch (RuntimeException e) {
            binding.release();
            throw e;
        }
    }

    @Override
    public void goOn() {
        service.goOn();
        binding.release();
    }

    @Override
    public void leaveToOther() {
        service.leaveToOther();
        binding.release();
    }

    @Override
    public void prepare() {
        binding.exclusively("take over", service::prepare);
    }

    @Override
    public void unprepare() {
        binding.exclusively("take over", service::unprepare);
    }

    @Override
    public void takeOver(MovingFunction from) {
        binding.exclusively("take over", () -> service.takeOver(from));
    }

    /**
     * Goes on where a process has died, or begins. It serves nobody before {@link #startTakenOver}.
     *
     * @param endpoint where it is served
     * @param client who is connected there
     * @throws ErrnoException EINVAL when it is another function, or set up otherwise; EOPNOTSUPP when it cannot be
     */
    public void resume(Endpoint.Kept endpoint, Optional<ServerHandover> client) {
        binding.exclusively("resume", () -> service.resume(endpoint, client));
    }

    /** What it keeps of itself outside of this process. */
    public FunctionJournal functionJournal() {
        return service.journal();
    }

    /** Keeps itself there from now on; nobody is served yet. */
    public void keepIn(KeptFunction memory) {
        binding.exclusively("keep", () -> service.keepIn(memory));
    }

    /** Whether it is hardware. */
    public boolean isHardware() {
        return emulated.isHardware();
    }

    /** Whether a DPU emulates it. */
    public boolean isEmulatedByDpu() {
        return emulatedBy.isPresent();
    }

    /** What it emulates and what its virtual functions do, whether or not these are on, each with its place. */
    public Map<PciAddress, EmulatedDevice> emulated() {
        Map<PciAddress, EmulatedDevice> all = new LinkedHashMap<>();
        all.put(device.address(), emulated);
        for (EmulatedDevice.Virtual virtual : emulated.virtuals()) {
            all.put(virtual.address(), virtual.device());
        }
        return all;
    }

    @Override
    public void startTakenOver() {
        service.startTakenOver();
    }

    /** What of it can be changed while it is used, for {@link #become} in another process. */
    public UpgradeOffer.Function offer() {
        Optional<DeviceLimits> limits = emulated.tuning().limits();
        return new UpgradeOffer.Function(
                name(),
                driver.name().orElse(""),
                device.driverOverride().orElse(""),
                device.sriov().map(PciSriov::numVfs).orElse(0),
                limits.map(DeviceLimits::requestsPerSecond).orElse(0L),
                limits.map(DeviceLimits::bytesPerSecond).orElse(0L));
    }

    /** Makes it as it is elsewhere, where nobody uses it yet. */
    void become(UpgradeOffer.Function other) {
        String has = driver.name().orElse("");
        if (!has.equals(other.driver())) {
            if (!has.isEmpty()) {
                unbind(PciBus.FOREVER);
            }
            if (!other.driver().isEmpty()) {
                bind(Optional.of(other.driver()));
            }
        }
        if (!device.driverOverride().orElse("").equals(other.override())) {
            device.bus().setDriverOverride(device, Optional.of(other.override()).filter(name -> !name.isEmpty()));
        }
        machine.virtuals().turnOn(this, other.numVfs());
        if (emulated.tuning().limits().isPresent()) {
            emulated.tuning().limit(other.requestsPerSecond(), other.bytesPerSecond());
        }
    }

    /** Serves it, when nobody did where it comes from. */
    void serveIfBound() {
        binding.exclusively("serve", service::serveAgain);
    }

    /**
     * Gives it to a VFIO driver, and serves it, as well as the functions that its parts are about. When that fails it is as before.
     *
     * @param wanted empty for the driver that knows it best: one of its auxiliary device, if there is one
     * @throws ErrnoException EBUSY when a driver has it, ENODEV when there is no such driver, or when the driver is none of VFIO's;
     *     what the socket's path is refused with
     */
    public void bind(Optional<String> wanted) {
        binding.bind(wanted);
        serveDependents();
    }

    /**
     * Has the bus do what may give it a driver, and serves it if that is one of VFIO's: unlike {@link #bind}, the driver need not be
     * named by driver_override.
     *
     * @throws ErrnoException EBUSY when another request is at it; what {@code onBus} and the socket's path say
     */
    void attach(Runnable onBus) {
        binding.attach(onBus);
        serveDependents();
    }

    private void serveDependents() {
        machine.dependents(device).forEach(function -> function.binding.serveWhatIsBound());
        machine.mdevs().startAgain();
    }

    /**
     * As {@link #bind}, for a function that has just been plugged in, which a driver may have taken by itself: that one keeps it when it is
     * one of VFIO's, and no other is wanted.
     *
     * @param usual the driver that it gets whenever none is wanted; empty for the one that knows it best
     */
    void bindFirst(Optional<String> wanted, Optional<String> usual) {
        binding.bindFirst(wanted, usual);
    }

    /**
     * Takes it from its driver. Its client is asked to let go, and those of the functions that its parts are about; nobody is let in
     * any more, and the sockets go.
     *
     * @param limit how long to wait for the clients
     * @throws ErrnoException EBUSY when a client has not let go: everything is as before then. ENODEV when it has no driver
     */
    public void unbind(Duration limit) {
        List<MachineFunction> all = withVirtuals();
        all.addAll(machine.dependents(device));
        machine.mdevs().leave(device.name(), () -> take("unbind", all, () -> driver.takeAway(limit)));
        machine.virtuals().forgetGone();
    }

    /** @throws ErrnoException EOPNOTSUPP when no DPU emulates it, and for a virtual function */
    void checkDeletable() {
        if (emulatedBy.isEmpty()) {
            throw new ErrnoException(EOPNOTSUPP, "delete " + device + ": no DPU emulates it");
        }
        device.physicalFunction().ifPresent(physical -> {
            throw new ErrnoException(EOPNOTSUPP, "delete " + device + ": it goes with the others of " + physical);
        });
    }

    /** Ends it, with the virtual functions of it that are on, if it {@link #checkDeletable can be}; otherwise as {@link #unbind}. */
    void delete(Duration limit) {
        take("delete", withVirtuals(), () -> unplug.within(limit));
        service.closeEndpoint();
    }

    /**
     * The kernel gets its hardware back: the client is asked to let go, and loses it when it does not. Nothing for a function that is gone.
     *
     * @param limit how long to wait for the client, and for whoever binds or unbinds it just now
     */
    void giveBack(Duration limit) {
        try {
            takeBack(limit);
        } catch (RuntimeException e) {
            if (!isGone(e)) {
                LOG.log(Level.WARNING, "{0}: {1}; it is given back all the same", device, e.getMessage());
            }
            try {
                close();
            } finally {
                // Whatever that says: the kernel waits for this, without end.
                emulated.close();
            }
        }
    }

    private void takeBack(Duration limit) {
        long deadline = System.nanoTime() + limit.toNanos();
        binding.hold("give back", limit);
        try {
            Duration left = Duration.ofNanos(Math.max(0, deadline - System.nanoTime()));
            take("give back", List.of(this), () -> unplug.within(left));
            service.closeEndpoint();
        } finally {
            binding.release();
        }
    }

    private static boolean isGone(RuntimeException e) {
        return e instanceof ErrnoException failure && failure.errno() == ENODEV;
    }

    private List<MachineFunction> withVirtuals() {
        List<MachineFunction> all = new ArrayList<>(List.of(this));
        all.addAll(machine.virtuals().of(device));
        return all;
    }

    /** Has functions lose their driver: their clients are asked to let go. When that fails they are served as before. */
    static void take(String what, List<MachineFunction> all, Runnable taking) {
        FunctionBinding.take(
                what, all.stream().map(function -> function.binding).toList(), taking);
    }

    /** What can be changed of the device while it is used. */
    public DeviceTuning tuning() {
        return emulated.tuning();
    }

    /** What it is now, for others. */
    public ServerState.Function state() {
        return report.state();
    }

    /** What it has done, for others; empty for a kind that does not count. */
    public Optional<FunctionStatistics> statistics(boolean queues) {
        return report.statistics(queues);
    }

    /** Lets its client go, and ends the wait of another thread for that. */
    void hangUp() {
        service.hangUp();
    }

    @Override
    public void close() {
        hangUp();
        binding.awaitHold();
        try {
            service.stop();
            unplug.within(PciBus.FOREVER);
        } catch (ErrnoException e) {
            // The kernel may have got it back at the same time.
            if (!isGone(e)) {
                throw e;
            }
        } finally {
            service.closeEndpoint();
            binding.release();
        }
    }

    /** The auxiliary device that is about it. */
    Optional<AuxiliaryDevice> part() {
        return driver.part();
    }
}
