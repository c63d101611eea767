package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.ScalableParts;
import org.vfio4j.bus.AuxiliaryBus;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.BusDevice;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.SysfsView;
import org.vfio4j.cli.device.BridgePlan;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.device.EmulatedWords;
import org.vfio4j.cli.device.Emulation;
import org.vfio4j.cli.device.Placed;
import org.vfio4j.cli.device.SnapPort;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5core.Mlx5MdevDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiopcifacts.PciFactsTable;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * A machine of this process: a bus with functions, their drivers, the VFIO devices that these make, and the servers that offer
 * them. One thread builds it and closes it; its functions, and those that come and go behind a DPU, are for all threads.
 */
public final class Machine implements AutoCloseable {

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();
    private final List<MachineFunction> functions = new CopyOnWriteArrayList<>();
    private final MachinePlaces places = new MachinePlaces(bus, functions);
    private final VfioUserServerOptions defaults;
    private final MdevHost mdevs;
    private final MachineVirtuals virtuals;
    private final ChangeGate changes = new ChangeGate();
    private volatile boolean takingOver;
    private volatile FunctionKeeping keeping = FunctionKeeping.NONE;
    // Held while a function comes that a DPU emulates.
    private final Object growing = new Object();
    // The functions that a DPU was asked for while it served.
    private final Map<PciAddress, EmulatedWords> asked = new ConcurrentSkipListMap<>();
    private boolean closed;

    private volatile Optional<SysfsView> view = Optional.empty();
    private Optional<EventLoop> loop = Optional.empty();

    public Machine() {
        this(VfioPciOptions.DEFAULTS, List.of());
    }

    public Machine(VfioPciOptions options, List<Path> facts) {
        this(options, facts, VfioUserServerOptions.DEFAULTS);
    }

    /**
     * @param options of the driver vfio-pci
     * @param facts files of an operator's facts, behind the shipped ones
     * @param defaults of the servers of mdevs, and of functions that name their sockets
     * @throws ErrnoException what {@link PciFactsTable#with(Path)} says of a file
     */
    public Machine(VfioPciOptions options, List<Path> facts, VfioUserServerOptions defaults) {
        this.defaults = defaults;
        mdevs = new MdevHost(this, registry, defaults);
        virtuals = new MachineVirtuals(this, functions, defaults);
        bus.provide(VfioRegistry.class, registry);
        bus.provide(MdevBus.class, mdevs.bus());
        bus.provide(VfioPciOptions.class, options);
        if (!facts.isEmpty()) {
            PciFactsTable table = PciFactsTable.shipped();
            for (Path file : facts) {
                table = table.with(file);
            }
            bus.provide(PciFactsTable.class, table);
        }
        bus.loadDrivers();
    }

    public PciBus bus() {
        return bus;
    }

    /** Its virtual functions. */
    public MachineVirtuals virtuals() {
        return virtuals;
    }

    /** Its mediated devices. */
    public MdevHost mdevs() {
        return mdevs;
    }

    /** What lets its devices come and go. */
    public ChangeGate changes() {
        return changes;
    }

    /** What of it can go to another process. */
    public List<Movable> movables() {
        List<Movable> all = new ArrayList<>(functions);
        all.addAll(mdevs.services());
        return all;
    }

    /** What its devices stand on, by their names, also of virtual functions that are off. */
    public Map<String, List<BlockBackend>> storages() {
        Map<String, List<BlockBackend>> all = new LinkedHashMap<>();
        for (MachineFunction function : functions) {
            all.put(function.name(), function.storages());
            function.virtuals()
                    .forEach(virtual -> all.put(
                            virtual.address().toString(), virtual.device().storages()));
        }
        mdevs.services().forEach(mdev -> all.put(mdev.name(), mdev.storages()));
        return all;
    }

    /** What a mediated device is made of that is a DPU's scalable function; empty for one of another kind. */
    Optional<ScalableParts> findScalable(MdevDevice device) {
        String parent = device.parent().name();
        return functions.stream()
                .filter(function -> function.device().name().equals(parent))
                .findFirst()
                .flatMap(function -> function.tuning()
                        .snapPort()
                        .dpu()
                        .scalable(device.uuid().toString()));
    }

    /** Whether its functions wait for what another process gives them, and are not served meanwhile. */
    boolean isTakingOver() {
        return takingOver;
    }

    public void setTakingOver(boolean waits) {
        takingOver = waits;
    }

    /**
     * Makes its functions as another process has them, after whatever was changed there. It is {@link #isTakingOver}.
     *
     * @param kinds of devices, on the other process's storage
     * @throws ErrnoException EINVAL when that one has a function that is not here; EOPNOTSUPP for one that is here and cannot end; what
     *     drivers say
     */
    public void become(UpgradeOffer other, DeviceKinds kinds) {
        Set<String> emulated = other.emulatedPlaces();
        for (MachineFunction function : functions) {
            boolean stays = other.hasFunction(function.name()) && !emulated.contains(function.name());
            if (!stays && function.device().physicalFunction().isEmpty()) {
                delete(function, PciBus.FOREVER);
            }
        }
        other.emulated().forEach(words -> emulate(words.again(kinds)));
        for (UpgradeOffer.Function wanted : other.functions()) {
            functions.stream()
                    .filter(function -> function.name().equals(wanted.address()))
                    .findFirst()
                    .orElseThrow(
                            () -> new ErrnoException(EINVAL, "take over " + wanted.address() + ", which is not here"))
                    .become(wanted);
        }
    }

    /** The functions that a DPU was asked for while it served, for {@link #become} in another process. */
    public List<EmulatedWords> emulated() {
        return List.copyOf(asked.values());
    }

    /** Serves what another process has not served, as far as it can, after {@link #setTakingOver}: the log says what cannot be. */
    public void serveRest() {
        for (MachineFunction function : functions) {
            try {
                function.serveIfBound();
            } catch (ErrnoException e) {
                System.getLogger(Machine.class.getName())
                        .log(System.Logger.Level.WARNING, "{0} is not served: {1}", function.name(), e.getMessage());
            }
        }
    }

    /** Who keeps what its functions are. */
    FunctionKeeping keeping() {
        return keeping;
    }

    public void setKeeping(FunctionKeeping by) {
        keeping = by;
    }

    public List<MachineFunction> functions() {
        return List.copyOf(functions);
    }

    /** Keeps a directory that looks as /sys/bus/pci does. */
    public void showIn(Path directory) {
        view = Optional.of(SysfsView.open(bus, directory));
    }

    /** Removes that directory, for another process to make it. */
    public void hideView() {
        view.ifPresent(SysfsView::close);
        view = Optional.empty();
    }

    /** A bus with the installed drivers and no functions. */
    public static PciBus driversOnly() {
        PciBus bus = new PciBus();
        bus.loadDrivers();
        return bus;
    }

    /** Plugs a function in at a free place and binds it to the driver that knows it best. */
    public MachineFunction add(DevicePlan plan) {
        return add(plan, Optional.empty(), Optional.empty());
    }

    /** Plugs a function in and binds it to a VFIO driver: the one that is wanted, or that knows it best. */
    public MachineFunction add(DevicePlan plan, Optional<PciAddress> wanted, Optional<String> wantedDriver) {
        PciAddress address = wanted.orElseGet(this::freeAddress);
        Placed.Function placed = new Placed.Function(address, plan.open(address), Placed.Use.VFIO, Optional.empty());
        MachineFunction function = plug(placed);
        function.bindFirst(wantedDriver, plan.driver());
        return function;
    }

    /**
     * Plugs a device in, all its functions and bridges, and then binds and serves the functions, which may need each other.
     *
     * @return the functions, in their order
     */
    public List<MachineFunction> addAll(DevicePlan plan, PciAddress address, Optional<String> wantedDriver) {
        Map<MachineFunction, Placed.Function> added = new LinkedHashMap<>();
        List<Placed> rest = new ArrayList<>(plan.openAll(address, bus));
        try {
            while (!rest.isEmpty()) {
                // Whoever plugs one in closes it when that fails.
                switch (rest.removeFirst()) {
                    case Placed.Bridge bridge -> bus.add(bridge.address(), bridge.function());
                    case Placed.Function function -> added.put(plug(function), function);
                }
            }
        } finally {
            rest.forEach(Placed::close);
        }
        added.forEach((function, placed) -> {
            function.bindFirst(wantedDriver, plan.driver());
            placed.socket().ifPresent(path -> Sockets.listen(path, at -> function.serveAt(at, defaults)));
        });
        return List.copyOf(added.keySet());
    }

    /** Plugs a bridge in. */
    public void add(PciAddress address, BridgePlan plan) {
        bus.add(address, plan.open(address));
    }

    private MachineFunction plug(Placed.Function placed) {
        PciDevice device;
        try {
            device = bus.add(placed.address(), placed.device().function());
        } catch (RuntimeException e) {
            placed.close();
            throw e;
        }
        MachineFunction function = MachineFunction.plugged(placed, device, this);
        functions.add(function);
        EmulatedDevice emulated = placed.device();
        emulated.onRequest(new HardwareReturn(this, function, emulated.description())::requested);
        return function;
    }

    /**
     * Has a DPU emulate a function, which appears as one that is plugged in: its drivers bind it, and it is served.
     *
     * @throws ErrnoException ENODEV when there is no such network function; EEXIST when its place, or one of a virtual function of it,
     *     is another's, on or off; as {@link PciBus#add} and binding do
     * @throws CliException as {@link DevicePlan#open} does, and when its socket's path cannot be taken
     */
    public MachineFunction emulate(Emulation wanted) {
        return changes.pass(() -> emulateNow(wanted));
    }

    private MachineFunction emulateNow(Emulation wanted) {
        synchronized (growing) {
            if (closed) {
                throw new ErrnoException(ENODEV, "emulate a function: the process ends");
            }
            SnapPort port = function(wanted.networkFunction()).tuning().snapPort();
            PciAddress at =
                    wanted.address().orElseGet(() -> places.freeBeside(wanted.networkFunction(), wanted.plan()));
            places.checkFree(wanted.plan().places(at));
            SnapFunction.Protocol protocol = wanted.plan()
                    .snapProtocol()
                    .orElseThrow(() -> new ErrnoException(EOPNOTSUPP, "a DPU emulates virtio-blk and nvme"));
            EmulatedDevice device = wanted.plan().open(at);
            SnapFunction snap = port.create(at, protocol, device);
            MachineFunction function =
                    MachineFunction.emulated(device, bus.device(at), this, port.dpu(), snap, wanted.networkFunction());
            functions.add(function);
            try {
                function.bindFirst(wanted.driver(), Optional.empty());
                keeping.emulated(function, wanted);
                if (!wanted.words().isEmpty()) {
                    asked.put(at, EmulatedWords.of(at, wanted));
                }
                wanted.socket().ifPresent(path -> Sockets.listen(path, there -> function.serveAt(there, defaults)));
            } catch (RuntimeException e) {
                remove(function, PciBus.FOREVER);
                throw e;
            }
            return function;
        }
    }

    /**
     * Ends a function that a DPU emulates.
     *
     * @param limit how long to wait for its user
     * @throws ErrnoException EBUSY when that one has not let go by then; EOPNOTSUPP when no DPU emulates it, and for a virtual function
     */
    public void delete(MachineFunction function, Duration limit) {
        changes.pass(() -> {
            function.checkDeletable();
            keeping.checkDeletable(function);
            remove(function, limit);
        });
    }

    private void remove(MachineFunction function, Duration limit) {
        function.delete(limit);
        functions.remove(function);
        asked.remove(function.device().address());
        virtuals.forgetGone();
        keeping.deleted(function);
    }

    /**
     * Gives a function's hardware back to the kernel. The machine does not have the function any more.
     *
     * @param limit how long to wait for its client
     */
    void giveBack(MachineFunction function, Duration limit) {
        changes.pass(() -> {
            try {
                function.giveBack(limit);
            } finally {
                functions.remove(function);
                virtuals.forgetGone();
            }
        });
    }

    /** @throws ErrnoException ENODEV when there is none */
    public MachineFunction function(PciAddress address) {
        return functions.stream()
                .filter(found -> found.device().address().equals(address))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(ENODEV, "function " + address));
    }

    /** The functions that the parts of a device are about: they are served while it has its driver. */
    List<MachineFunction> dependents(PciDevice device) {
        List<MachineFunction> found = new ArrayList<>();
        for (MachineFunction function : functions) {
            if (function.part().filter(part -> isPartOf(part, device)).isPresent()) {
                found.add(function);
                found.addAll(virtuals.of(function.device()));
            }
        }
        return found;
    }

    /**
     * Takes a part that is about no function from its driver. Who uses what is made of it is asked to let go first.
     *
     * @throws ErrnoException as {@link AuxiliaryBus#unbind(AuxiliaryDevice, Duration)}
     */
    public void unbind(AuxiliaryDevice part, Duration limit) {
        Runnable taking = () -> part.bus().unbind(part, limit);
        part.findData(Mlx5MdevDevice.class)
                .ifPresentOrElse(about -> mdevs.leave(about.parent().name(), taking), taking);
    }

    private static boolean isPartOf(BusDevice part, PciDevice device) {
        return part instanceof AuxiliaryDevice
                && part.parent()
                        .filter(parent -> parent.equals(device) || isPartOf(parent, device))
                        .isPresent();
    }

    VfioRegistry registry() {
        return registry;
    }

    @Override
    public void close() {
        synchronized (growing) {
            closed = true;
        }
        view.ifPresent(Closing::quietly);
        Closing.quietly(mdevs);
        // First all of them: a function that waits for its client may keep the bus from the next.
        functions.forEach(MachineFunction::hangUp);
        functions.reversed().forEach(Closing::quietly);
        functions.clear();
        // Those behind others first: a bridge goes after them.
        bus.devices().reversed().stream()
                .map(device -> (AutoCloseable) () -> bus.remove(device))
                .forEach(Closing::quietly);
        loop.ifPresent(Closing::quietly);
    }

    /** The event loop of all servers, made at the first call: the first to be served may be what another process asks for. */
    synchronized EventLoop eventLoop() {
        EventLoop found = loop.orElseGet(EventLoop::new);
        loop = Optional.of(found);
        return found;
    }

    /** The first free place on bus 0. */
    public PciAddress freeAddress() {
        return places.free();
    }
}
