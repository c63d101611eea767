package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.cli.device.MdevParentKind;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevDefinitions;
import org.vfio4j.cli.mdev.MdevSockets;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.mdev.MdevTypeState;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevBusListener;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * The mdevs of a {@link Machine}: their parents, and the server of each at a socket of its own. One thread adds parents and closes
 * it; all threads start and stop.
 */
public final class MdevHost implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(MdevHost.class.getName());

    private final MdevBus bus = new MdevBus();
    private final Machine machine;
    private final VfioMdevDriver driver;
    private final VfioUserServerOptions options;
    private final List<AutoCloseable> parents = new ArrayList<>();
    private final Map<UUID, MdevService> services = new ConcurrentHashMap<>();
    // Parents whose definitions have not been looked at yet, by name.
    private final Set<String> fresh = ConcurrentHashMap.newKeySet();
    private Optional<MdevDefinitions> definitions = Optional.empty();

    /** @param options how mdevs are served */
    MdevHost(Machine machine, VfioRegistry registry, VfioUserServerOptions options) {
        this.machine = machine;
        this.options = options;
        driver = new VfioMdevDriver(registry);
        bus.addListener(new Fresh());
    }

    public MdevBus bus() {
        return bus;
    }

    /** Adds a parent that is on no bus. */
    public void add(MdevParentKind.Plan plan) {
        parents.add(plan.register(bus, driver));
    }

    /**
     * Starts what is defined to start by itself, as far as it can; the log says what cannot.
     *
     * @param defined what {@link #startAgain} starts from now on
     */
    public void startDefined(MdevDefinitions defined) {
        remember(defined);
        startAgain();
    }

    /** The same for a process that takes over from one that has done so: {@link #startAs} starts what there is. */
    public void remember(MdevDefinitions defined) {
        synchronized (parents) {
            definitions = Optional.of(defined);
        }
    }

    /**
     * Makes what another process has, and serves it when the machine has taken it over.
     *
     * @throws ErrnoException as {@link #start}
     */
    public void startAs(List<UpgradeOffer.Mdev> others) {
        // What is defined for these parents the other process has started, and its users perhaps stopped.
        fresh.clear();
        for (UpgradeOffer.Mdev mdev : others) {
            UUID uuid = UUID.fromString(mdev.uuid());
            start(new MdevDefinition(mdev.parent(), uuid, mdev.type(), false, List.of()), Path.of(mdev.socket()));
        }
    }

    /** What there is, for {@link #startAs} of another process. */
    public List<UpgradeOffer.Mdev> offers() {
        return services().stream()
                .map(service -> new UpgradeOffer.Mdev(
                        service.name(),
                        service.device().parent().name(),
                        service.device().type().name(),
                        service.socket().toString()))
                .toList();
    }

    /** Starts what is defined to start by itself of the parents that have come since the last time. */
    public void startAgain() {
        Optional<MdevDefinitions> defined;
        synchronized (parents) {
            defined = definitions;
        }
        if (defined.isEmpty() || fresh.isEmpty()) {
            return;
        }
        Set<String> come = Set.copyOf(fresh);
        fresh.removeAll(come);
        for (MdevDefinition definition : defined.get().all()) {
            if (definition.auto() && come.contains(definition.parent())) {
                startLogging(definition);
            }
        }
    }

    private void startLogging(MdevDefinition definition) {
        try {
            start(definition, MdevSockets.path(definition.uuid()));
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "mdev {0} does not start: {1}", definition.uuid(), e.getMessage());
        }
    }

    /**
     * Makes an mdev, sets its attributes in their order, and serves it. When something of that fails there is none.
     *
     * @throws ErrnoException what {@link MdevBus#create}, an attribute and the socket say
     */
    public MdevState start(MdevDefinition definition, Path socket) {
        return machine.changes().pass(() -> startNow(definition, socket));
    }

    private MdevState startNow(MdevDefinition definition, Path socket) {
        MdevParent parent = bus.parent(definition.parent());
        MdevDevice device = bus.create(parent, parent.type(definition.type()), definition.uuid());
        boolean started = false;
        try {
            for (MdevDefinition.Attribute attribute : definition.attributes()) {
                device.attribute(attribute.name()).store(attribute.value());
            }
            MdevService service = new MdevService(device, socket, machine, options);
            services.put(device.uuid(), service);
            started = true;
            return state(service);
        } finally {
            if (!started) {
                bus.remove(device.uuid(), Duration.ZERO);
            }
        }
    }

    /**
     * Stops an mdev. Its client is asked to let go; nobody is let in any more, and the socket goes.
     *
     * @throws ErrnoException ENODEV when there is none; EBUSY when the client has not let go by then, or another stops it just now:
     *     it is as before then
     */
    public MdevState stop(UUID uuid, Duration limit) {
        MdevService service = services.get(uuid);
        if (service == null) {
            throw new ErrnoException(ENODEV, "stop mdev " + uuid);
        }
        MdevState last = state(service);
        take(List.of(service), () -> bus.remove(uuid, limit));
        return last;
    }

    /**
     * Does what takes a parent away. The clients of what is made of it are asked to let go, and nobody is let in any more.
     *
     * @param parent its name; nothing more is done for one that is none
     * @throws ErrnoException what {@code taking} says: all is as before then; EBUSY when somebody stops one of its mdevs just now
     */
    void leave(String parent, Runnable taking) {
        take(
                services.values().stream()
                        .filter(service -> service.device().parent().name().equals(parent))
                        .toList(),
                taking);
    }

    private void take(List<MdevService> all, Runnable taking) {
        machine.changes().pass(() -> takeNow(all, taking));
    }

    private void takeNow(List<MdevService> all, Runnable taking) {
        List<MdevService> held = new ArrayList<>();
        try {
            for (MdevService service : all) {
                service.hold();
                held.add(service);
            }
            all.forEach(MdevService::letGo);
            try {
                takeOrKeep(all, taking);
            } catch (ErrnoException e) {
                all.forEach(this::serveAgain);
                throw e;
            }
            for (MdevService service : all) {
                service.close();
                services.remove(service.device().uuid(), service);
            }
        } finally {
            held.forEach(MdevService::release);
        }
    }

    private static void takeOrKeep(List<MdevService> all, Runnable taking) {
        try {
            taking.run();
        } catch (ErrnoException e) {
            boolean lost = false;
            for (MdevService service : all) {
                // Each is asked: those that still have their client go on.
                lost |= service.lostItsServer();
            }
            if (!lost) {
                throw e;
            }
            // A client went at the last moment, and its server with it: perhaps nobody is to be waited for.
            taking.run();
        }
    }

    private void serveAgain(MdevService service) {
        UUID uuid = service.device().uuid();
        if (bus.findDevice(uuid).filter(service.device()::equals).isEmpty()) {
            // It could not get its driver back.
            services.remove(uuid, service);
            return;
        }
        try {
            service.serveAgain();
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "mdev {0} is not served: {1}", uuid, e.getMessage());
        }
    }

    /** Keeps account of parents that come. */
    private final class Fresh implements MdevBusListener {

        @Override
        public void registered(MdevParent parent) {
            fresh.add(parent.name());
        }

        @Override
        public void unregistered(MdevParent parent) {
            fresh.remove(parent.name());
        }

        @Override
        public void added(MdevDevice device) {}

        @Override
        public void removed(MdevDevice device) {}
    }

    /** The types of all parents, with what is left of each. */
    public List<MdevTypeState> types() {
        return bus.parents().stream()
                .flatMap(parent -> parent.types().stream()
                        .map(type -> new MdevTypeState(
                                parent.name(),
                                type.name(),
                                parent.availableInstances(type),
                                type.deviceApi(),
                                type.prettyName(),
                                type.description().orElse(""),
                                ProcessHandle.current().pid())))
                .toList();
    }

    /** All of them, in the order of their making. */
    public List<MdevService> services() {
        return bus.devices().stream()
                .flatMap(device -> Optional.ofNullable(services.get(device.uuid())).stream())
                .toList();
    }

    /** What is served, in the order of its making. */
    public List<MdevState> states() {
        return services().stream().map(MdevHost::state).toList();
    }

    private static MdevState state(MdevService service) {
        MdevDevice device = service.device();
        return new MdevState(
                device.uuid().toString(),
                device.parent().name(),
                device.type().name(),
                "",
                true,
                service.state().vfioDevice(),
                service.socket().toString(),
                device.instance().attributes().entrySet().stream()
                        .map(attribute -> new MdevDefinition.Attribute(
                                attribute.getKey(), attribute.getValue().show()))
                        .toList(),
                ProcessHandle.current().pid());
    }

    /** The same as the whole process tells of it. */
    public List<ServerState.Mdev> devices() {
        return services().stream().map(MdevService::state).toList();
    }

    /**
     * What those have done that count it, in the order of their making.
     *
     * @param uuid of one, empty for all
     * @param queues whether each queue is told by itself too
     */
    public List<FunctionStatistics> statistics(String uuid, boolean queues) {
        return bus.devices().stream()
                .filter(device -> uuid.isEmpty() || device.uuid().toString().equals(uuid))
                .flatMap(device -> Optional.ofNullable(services.get(device.uuid())).stream())
                .flatMap(service -> service.statistics(queues).stream())
                .toList();
    }

    /** Hangs up on all clients, and takes its parents away with all that is made of them. Those of drivers these take away. */
    @Override
    public void close() {
        services.values().forEach(MdevService::close);
        parents.forEach(Closing::quietly);
    }
}
