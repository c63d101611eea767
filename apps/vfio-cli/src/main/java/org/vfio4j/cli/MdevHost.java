package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * The mdevs of a {@link Machine}: their parents, and the server of each at a socket of its own. One thread adds parents and closes
 * it; all threads start and stop.
 */
final class MdevHost implements AutoCloseable {

    private final MdevBus bus = new MdevBus();
    private final VfioRegistry registry;
    private final VfioMdevDriver driver;
    private final Supplier<EventLoop> loop;
    private final List<AutoCloseable> parents = new ArrayList<>();
    private final Map<UUID, Service> services = new ConcurrentHashMap<>();
    private final VfioUserServerOptions options;

    /** An mdev that is served, and whether somebody is about to stop it. */
    private record Service(
            MdevDevice device, String socket, VfioUserServer server, Inspection seen, AtomicBoolean stopping) {}

    /**
     * @param loop makes the machine's event loop, once
     * @param options how mdevs are served
     */
    MdevHost(VfioRegistry registry, Supplier<EventLoop> loop, VfioUserServerOptions options) {
        this.registry = registry;
        this.driver = new VfioMdevDriver(registry);
        this.loop = loop;
        this.options = options;
    }

    MdevBus bus() {
        return bus;
    }

    /** Adds a parent. */
    void add(MdevParentKind.Plan plan) {
        parents.add(plan.register(bus, driver));
    }

    /** Starts what is defined to start by itself, as far as it can; the log says what cannot. */
    void startDefined(MdevDefinitions definitions) {
        if (bus.parents().isEmpty()) {
            return;
        }
        for (MdevDefinition definition : definitions.all()) {
            if (!definition.auto() || bus.findParent(definition.parent()).isEmpty()) {
                continue;
            }
            try {
                start(definition, MdevSockets.path(definition.uuid()));
            } catch (ErrnoException e) {
                System.getLogger(MdevHost.class.getName())
                        .log(Level.WARNING, "mdev {0} does not start: {1}", definition.uuid(), e.getMessage());
            }
        }
    }

    /**
     * Makes an mdev, sets its attributes in their order, and serves it. When something of that fails there is none.
     *
     * @throws ErrnoException what {@link MdevBus#create}, an attribute and the socket say
     */
    MdevState start(MdevDefinition definition, Path socket) {
        MdevParent parent = bus.parent(definition.parent());
        MdevDevice device = bus.create(parent, parent.type(definition.type()), definition.uuid());
        boolean started = false;
        try {
            for (MdevDefinition.Attribute attribute : definition.attributes()) {
                device.attribute(attribute.name()).store(attribute.value());
            }
            Service service = serve(device, socket);
            services.put(device.uuid(), service);
            started = true;
            return state(service);
        } finally {
            if (!started) {
                bus.remove(device.uuid(), Duration.ZERO);
            }
        }
    }

    private Service serve(MdevDevice device, Path socket) {
        LocalDeviceFile file = registry.open(device.uuid().toString());
        try {
            Inspection seen = Inspection.of(file);
            VfioUserServer server = VfioUserServer.listen(loop.get(), socket, file, options);
            return new Service(device, socket.toString(), server, seen, new AtomicBoolean());
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /**
     * Stops an mdev. Its client is asked to let go; nobody is let in any more, and the socket goes.
     *
     * @throws ErrnoException ENODEV when there is none; EBUSY when the client has not let go by then, or another stops it just now:
     *     it is as before then
     */
    MdevState stop(UUID uuid, Duration limit) {
        Service service = services.get(uuid);
        if (service == null) {
            throw new ErrnoException(ENODEV, "stop mdev " + uuid);
        }
        if (!service.stopping().compareAndSet(false, true)) {
            throw new ErrnoException(EBUSY, "stop mdev " + uuid + ": it is being stopped already");
        }
        MdevState last = state(service);
        try {
            if (!service.server().closeAfterClient()) {
                service.server().close();
            }
            remove(service, limit);
            service.server().close();
            services.remove(uuid);
            return last;
        } finally {
            service.stopping().set(false);
        }
    }

    private void remove(Service service, Duration limit) {
        try {
            bus.remove(service.device().uuid(), limit);
        } catch (ErrnoException e) {
            if (service.server().stay()) {
                throw e;
            }
            // The client went at the last moment, and the server with it: nobody is to be waited for.
            bus.remove(service.device().uuid(), limit);
        }
    }

    /** The types of all parents, with what is left of each. */
    List<MdevTypeState> types() {
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

    /** What is served, in the order of its making. */
    List<MdevState> states() {
        return bus.devices().stream()
                .flatMap(device -> Optional.ofNullable(services.get(device.uuid())).stream())
                .map(MdevHost::state)
                .toList();
    }

    private static MdevState state(Service service) {
        MdevDevice device = service.device();
        return new MdevState(
                device.uuid().toString(),
                device.parent().name(),
                device.type().name(),
                "",
                true,
                VfioMdevDriver.vfioDevice(device).name(),
                service.socket(),
                device.instance().attributes().entrySet().stream()
                        .map(attribute -> new MdevDefinition.Attribute(
                                attribute.getKey(), attribute.getValue().show()))
                        .toList(),
                ProcessHandle.current().pid());
    }

    /** The same as the whole process tells of it. */
    List<ServerState.Mdev> devices() {
        return bus.devices().stream()
                .flatMap(device -> Optional.ofNullable(services.get(device.uuid())).stream())
                .map(MdevHost::device)
                .toList();
    }

    private static ServerState.Mdev device(Service service) {
        MdevDevice device = service.device();
        Inspection seen = service.seen();
        return new ServerState.Mdev(
                device.uuid().toString(),
                device.parent().name(),
                device.type().name(),
                device.type().prettyName(),
                VfioMdevDriver.vfioDevice(device).name(),
                service.socket(),
                seen.regions(),
                seen.irqs(),
                seen.features(),
                seen.migration());
    }

    /** Hangs up on all clients, and takes the parents away with all that is made of them. */
    @Override
    public void close() {
        services.values().forEach(service -> service.server().close());
        bus.parents().forEach(parent -> bus.unregister(parent, MdevBus.FOREVER));
        parents.forEach(Closing::quietly);
    }
}
