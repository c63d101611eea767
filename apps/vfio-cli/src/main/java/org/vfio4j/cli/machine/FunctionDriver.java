package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.DriverAlias;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.cli.device.Placed;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;

/**
 * The driver that a function has: its own, or that of the auxiliary device that is about it. One thread at a time changes it.
 *
 * @param use what it is to have a driver for
 * @param registry where VFIO drivers register what they make of it
 */
record FunctionDriver(PciDevice device, Placed.Use use, VfioRegistry registry) {

    /**
     * Gives the function to a driver.
     *
     * @param wanted empty for the driver that knows it best: one of its auxiliary device, if there is one
     * @param started what to do then; when that fails it does not keep its driver_override
     * @throws ErrnoException EBUSY when a driver has it, ENODEV when there is no such driver
     */
    void bind(Optional<String> wanted, Runnable started) {
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
            started.run();
            return;
        }
        PciBus bus = device.bus();
        String driver = wanted.orElseGet(this::best);
        Optional<String> before = device.driverOverride();
        bus.setDriverOverride(device, Optional.of(driver));
        try {
            bus.bind(device, driver);
            started.run();
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

    /**
     * Takes it away. The driver of an auxiliary device may have the function bound to itself, and gives it back with the device.
     *
     * @param limit how long to wait for users
     */
    void takeAway(Duration limit) {
        Optional<AuxiliaryDevice> part = part().filter(found -> found.driver().isPresent());
        part.ifPresent(found -> found.bus().unbind(found, limit));
        if (part.isEmpty() || device.driver().isPresent()) {
            device.bus().unbind(device, limit);
        }
    }

    /** Whether it is one of those that the function is to have: one of VFIO's, unless any will do. */
    boolean isFit() {
        return use == Placed.Use.NATIVE || findVfioDevice().isPresent();
    }

    /** Its name; empty for no driver. */
    Optional<String> name() {
        return device.driver()
                .map(PciDriver::name)
                .or(() -> part().flatMap(AuxiliaryDevice::driver).map(AuxiliaryDriver::name));
    }

    /** The VFIO drivers that match, the best first. */
    List<String> candidates() {
        List<String> candidates = new ArrayList<>();
        part().ifPresent(found -> found.bus().matching(found).forEach(driver -> candidates.add(driver.name())));
        device.bus().vfioDrivers(device.modalias()).forEach(alias -> candidates.add(alias.driver()));
        return candidates;
    }

    /** The auxiliary device that is about the function. */
    Optional<AuxiliaryDevice> part() {
        return device.bus().auxiliary().devices().stream()
                .filter(found ->
                        MachineState.functionOf(found).filter(device::equals).isPresent())
                .findFirst();
    }

    /**
     * What the driver has made of it.
     *
     * @throws ErrnoException ENODEV when it is none of VFIO's
     */
    VfioDevice vfioDevice() {
        return findVfioDevice()
                .orElseThrow(() -> new ErrnoException(
                        ENODEV, "VFIO device of " + device + ": driver " + name().orElse("(none)") + " makes none"));
    }

    /** The same; empty when there is none. */
    Optional<VfioDevice> findVfioDevice() {
        return registry.devices().stream()
                .filter(found -> found.parentName().equals(device.toString()))
                .findFirst();
    }

    private String best() {
        List<DriverAlias> matching = device.bus().vfioDrivers(device.modalias());
        if (matching.isEmpty()) {
            throw new ErrnoException(ENODEV, "bind " + device + ": no VFIO driver matches " + device.modalias());
        }
        return matching.getFirst().driver();
    }

    private static Optional<String> driverOf(AuxiliaryDevice part, Optional<String> wanted) {
        return part.bus().matching(part).stream()
                .map(AuxiliaryDriver::name)
                .filter(name -> wanted.orElse(name).equals(name))
                .findFirst();
    }
}
