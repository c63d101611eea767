package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * Where functions sit: on a root bus, or behind a bridge. A bus number that no bridge has for the bus behind it is a root bus. Safe
 * for all threads: places are given under the {@link DeviceTable}'s lock.
 */
final class PciTopology {

    private final DeviceTable devices;
    private final BarAllocator machine = new BarAllocator();

    PciTopology(DeviceTable devices) {
        this.devices = devices;
    }

    /**
     * Gives a function its place, and addresses for its BARs or for what is behind it.
     *
     * @throws ErrnoException EINVAL for a place that no bridge leads to, and for a bridge whose buses do not lie behind the bridge
     *     before it or are another's; ENOSPC when there are no addresses left
     */
    PciDevice place(PciBus bus, PciAddress address, PciFunction function) {
        Optional<PciDevice> upstream = upstream(address);
        BarAllocator windows = windows(upstream);
        if (!PciBridge.is(function)) {
            return PciDevice.of(bus, address, function, windows.place(address, function), upstream, Optional.empty());
        }
        // Its buses are looked at before it takes addresses, which nobody gives back.
        check(address, PciBridge.of(function, windows), upstream);
        List<PciDevice.Resource> resources = windows.place(address, function);
        PciBridge bridge = PciBridge.of(function, windows.forBridge());
        bridge.open(function);
        return PciDevice.of(bus, address, function, resources, upstream, Optional.of(bridge));
    }

    /** @throws ErrnoException EINVAL for a place that no bridge leads to */
    void checkPlace(PciAddress address) {
        upstream(address);
    }

    /** What the BARs of a function's virtual functions are placed in. */
    BarAllocator windows(PciDevice physical) {
        return windows(physical.upstream());
    }

    private BarAllocator windows(Optional<PciDevice> upstream) {
        return upstream.flatMap(PciDevice::bridge).map(PciBridge::windows).orElse(machine);
    }

    /** @throws ErrnoException EBUSY when devices sit behind it */
    void checkNothingBehind(PciDevice device) {
        for (PciDevice other : devices.all()) {
            if (other.upstream().filter(device::equals).isPresent()) {
                throw new ErrnoException(EBUSY, "remove " + device + ": " + other + " sits behind it");
            }
        }
    }

    private Optional<PciDevice> upstream(PciAddress address) {
        Optional<PciDevice> last = Optional.empty();
        for (PciDevice candidate : devices.all()) {
            Optional<PciBridge> bridge =
                    candidate.bridge().filter(found -> found.leadsTo(address.bus()) && sameDomain(candidate, address));
            if (bridge.isPresent()) {
                if (bridge.get().secondaryBus() == address.bus()) {
                    checkLink(address, candidate, bridge.get());
                    return Optional.of(candidate);
                }
                last = Optional.of(candidate);
            }
        }
        if (last.isPresent()) {
            PciBridge bridge = last.get().bridge().orElseThrow();
            throw invalid(
                    address, "no bridge leads to its bus, which is one of " + buses(bridge) + " behind " + last.get());
        }
        return Optional.empty();
    }

    private static void checkLink(PciAddress address, PciDevice upstream, PciBridge bridge) {
        if (bridge.isPort() && address.device() != 0) {
            throw invalid(address, "the link behind " + upstream + " has one device, 00");
        }
    }

    private void check(PciAddress address, PciBridge bridge, Optional<PciDevice> upstream) {
        if (bridge.primaryBus() != address.bus()) {
            throw invalid(address, "its primary bus is " + hex(bridge.primaryBus()));
        }
        if (bridge.secondaryBus() <= address.bus() || bridge.subordinateBus() < bridge.secondaryBus()) {
            throw invalid(
                    address, "the buses behind it are " + buses(bridge) + ", the first is " + hex(address.bus() + 1));
        }
        if (upstream.isPresent()) {
            PciBridge before = upstream.get().bridge().orElseThrow();
            if (!before.leadsTo(bridge.subordinateBus())) {
                throw invalid(
                        address,
                        "the buses behind it are " + buses(bridge) + ", those behind " + upstream.get() + " "
                                + buses(before));
            }
        }
        for (PciDevice other : devices.all()) {
            checkApart(address, bridge, other);
        }
    }

    private static void checkApart(PciAddress address, PciBridge bridge, PciDevice other) {
        if (!sameDomain(other, address)) {
            return;
        }
        // One that leads here has these buses too.
        Optional<PciBridge> rival =
                other.bridge().filter(found -> found.overlaps(bridge) && !found.leadsTo(address.bus()));
        if (rival.isPresent()) {
            throw invalid(
                    address,
                    "the buses behind it are " + buses(bridge) + ", those behind " + other + " " + buses(rival.get()));
        }
        if (bridge.leadsTo(other.address().bus())) {
            throw invalid(address, "the buses behind it are " + buses(bridge) + ", and " + other + " is there already");
        }
    }

    private static boolean sameDomain(PciDevice device, PciAddress address) {
        return device.address().domain() == address.domain();
    }

    private static String buses(PciBridge bridge) {
        return hex(bridge.secondaryBus()) + " to " + hex(bridge.subordinateBus());
    }

    private static String hex(int bus) {
        return String.format("%02x", bus);
    }

    private static ErrnoException invalid(PciAddress address, String why) {
        return new ErrnoException(EINVAL, "add " + address + ": " + why);
    }
}
