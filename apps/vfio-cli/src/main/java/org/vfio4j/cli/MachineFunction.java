package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.vfio4j.bus.DriverAlias;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.PciRegs;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * A function of a {@link Machine}: the emulated device, its place on the bus, and the server that offers it while a driver has it.
 * Any thread may call it; one changes it at a time, and a second one is refused.
 */
final class MachineFunction implements AutoCloseable {

    private final EmulatedDevice emulated;
    private final PciDevice device;
    private final VfioRegistry registry;
    private final Supplier<EventLoop> loop;
    private final ReentrantLock change = new ReentrantLock();

    private volatile Optional<VfioDevice> vfio = Optional.empty();
    private volatile Optional<VfioUserServer> server = Optional.empty();
    private volatile Optional<Service> service = Optional.empty();
    private volatile Inspection inspection = Inspection.NOTHING;

    /** How it is served whenever it has a driver. */
    private record Service(Endpoint endpoint, VfioUserServerOptions options) {}

    /**
     * @param emulated closed with this
     * @param device what it is on the bus, without a driver
     * @param loop makes the machine's event loop, once
     */
    MachineFunction(EmulatedDevice emulated, PciDevice device, VfioRegistry registry, Supplier<EventLoop> loop) {
        this.emulated = emulated;
        this.device = device;
        this.registry = registry;
        this.loop = loop;
    }

    PciDevice device() {
        return device;
    }

    /** Opens it for the caller, who closes the file before the machine. */
    LocalDeviceFile open() {
        return vfio.orElseThrow(() -> new ErrnoException(ENODEV, "open " + device + ": it has no driver"))
                .open();
    }

    /** Serves it from now on, whenever it has a driver. */
    void serve(Endpoint endpoint, VfioUserServerOptions options) {
        exclusively("serve", () -> {
            service = Optional.of(new Service(endpoint, options));
            startServer();
        });
    }

    /**
     * Gives it to a VFIO driver, and serves it. When that fails it is as before.
     *
     * @param wanted empty for the driver that knows it best
     * @throws ErrnoException EBUSY when a driver has it, ENODEV when there is no such driver, or when the driver is none of VFIO's;
     *     what the socket's path is refused with
     */
    void bind(Optional<String> wanted) {
        exclusively("bind", () -> bindNow(wanted));
    }

    /**
     * The same for a function that has just been plugged in, which a driver may have taken by itself: that one keeps it when it is
     * one of VFIO's, and no other is wanted.
     */
    void bindFirst(Optional<String> wanted) {
        exclusively("bind", () -> {
            Optional<String> has = device.driver().map(PciDriver::name);
            if (has.isPresent()
                    && wanted.orElse(has.get()).equals(has.get())
                    && findVfioDevice().isPresent()) {
                startOrUnbind();
                return;
            }
            if (has.isPresent()) {
                device.bus().unbind(device);
            }
            bindNow(wanted);
        });
    }

    private void bindNow(Optional<String> wanted) {
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

    /**
     * Takes it from its driver. Its client is asked to let go; nobody is let in any more, and the socket goes.
     *
     * @param limit how long to wait for the client
     * @throws ErrnoException EBUSY when the client has not let go: everything is as before then. ENODEV when it has no driver
     */
    void unbind(Duration limit) {
        exclusively("unbind", () -> {
            if (server.isPresent() && !server.get().closeAfterClient()) {
                stopServer();
            }
            try {
                device.bus().unbind(device, limit);
            } catch (ErrnoException e) {
                if (server.isEmpty() || server.get().stay()) {
                    throw e;
                }
                // The client went at the last moment, and the server with it: nobody is to be waited for.
                device.bus().unbind(device, limit);
            }
            stopServer();
            vfio = Optional.empty();
            inspection = Inspection.NOTHING;
        });
    }

    /** What can be changed of the device while it is used. */
    DeviceTuning tuning() {
        return emulated.tuning();
    }

    /** What it is now, for others. */
    ServerState.Function state() {
        PciFunction function = device.function();
        Inspection seen = inspection;
        return new ServerState.Function(
                device.toString(),
                String.format(
                        Locale.ROOT,
                        "%04x:%04x",
                        function.configRead(PciRegs.PCI_VENDOR_ID, 2),
                        function.configRead(PciRegs.PCI_DEVICE_ID, 2)),
                emulated.kind(),
                emulated.description(),
                device.driver().map(PciDriver::name).orElse(""),
                vfio.map(VfioDevice::name).orElse(""),
                service.map(s -> s.endpoint().socket()).orElse(""),
                device.driverOverride().orElse(""),
                device.bus().vfioDrivers(device.modalias()).stream()
                        .map(DriverAlias::driver)
                        .toList(),
                seen.regions(),
                seen.irqs(),
                seen.features(),
                seen.migration());
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
            device.bus().remove(device);
            emulated.close();
            service.ifPresent(s -> s.endpoint().close());
        } finally {
            change.unlock();
        }
    }

    private void startOrUnbind() {
        try {
            vfio = Optional.of(vfioDevice());
            if (service.isPresent()) {
                startServer();
            }
        } catch (RuntimeException e) {
            device.bus().unbind(device);
            vfio = Optional.empty();
            inspection = Inspection.NOTHING;
            throw e;
        }
    }

    private void startServer() {
        Service how = service.orElseThrow();
        LocalDeviceFile file = open();
        try {
            inspection = Inspection.of(file);
            server = Optional.of(how.endpoint().serve(loop.get(), file, how.options()));
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private void stopServer() {
        server.ifPresent(VfioUserServer::close);
        server = Optional.empty();
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
                        "VFIO device of " + device + ": driver "
                                + device.driver().map(PciDriver::name).orElse("(none)") + " makes none"));
    }

    private Optional<VfioDevice> findVfioDevice() {
        return registry.devices().stream()
                .filter(found -> found.parentName().equals(device.toString()))
                .findFirst();
    }

    private void exclusively(String what, Runnable work) {
        if (!change.tryLock()) {
            throw new ErrnoException(EBUSY, what + " " + device + ": it is being bound or unbound already");
        }
        try {
            work.run();
        } finally {
            change.unlock();
        }
    }
}
