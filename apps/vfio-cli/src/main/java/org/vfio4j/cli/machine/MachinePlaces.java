package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENOSPC;

import java.util.List;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;

/** Which places of a {@link Machine}'s bus are free. Any thread asks: two that want a place keep each other out themselves. */
final class MachinePlaces {

    /** Room for a function in each slot of one bus, slot 0 left to a host bridge. */
    private static final int LAST_SLOT = 31;

    private static final int FUNCTIONS_OF_A_SLOT = 8;

    private final PciBus bus;
    private final List<MachineFunction> functions;

    /** @param functions of the machine, as they come and go */
    MachinePlaces(PciBus bus, List<MachineFunction> functions) {
        this.bus = bus;
        this.functions = functions;
    }

    /** The first free place on bus 0. */
    PciAddress free() {
        List<PciAddress> taken = bus.devices().stream().map(PciDevice::address).toList();
        for (int function = 0; function < FUNCTIONS_OF_A_SLOT; function++) {
            for (int slot = 1; slot <= LAST_SLOT; slot++) {
                PciAddress address = new PciAddress(0, 0, slot, function);
                if (!taken.contains(address)) {
                    return address;
                }
            }
        }
        throw new CliException(
                ExitCode.BUSY,
                "the bus is full: " + taken.size() + " functions",
                "--address DOMAIN:BUS:SLOT.FUNCTION, or another vfio serve");
    }

    /** The first free function beside another that has room behind it for the virtual functions that a device can have. */
    PciAddress freeBeside(PciAddress beside, DevicePlan plan) {
        for (int function = 0; function < FUNCTIONS_OF_A_SLOT; function++) {
            PciAddress address = new PciAddress(beside.domain(), beside.bus(), beside.device(), function);
            if (areFree(plan.places(address))) {
                return address;
            }
        }
        int virtuals = plan.places(beside).size() - 1;
        throw new ErrnoException(
                ENOSPC,
                virtuals == 0
                        ? "all " + FUNCTIONS_OF_A_SLOT + " functions beside " + beside + " are there already"
                        : "none of the " + FUNCTIONS_OF_A_SLOT + " functions beside " + beside
                                + " is free with room for " + virtuals + " virtual functions behind it");
    }

    private boolean areFree(List<PciAddress> places) {
        try {
            checkFree(places);
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    /**
     * Virtual functions that are off are not on the bus, and have their places nevertheless.
     *
     * @throws ErrnoException EEXIST when one of the places is another's; as {@link PciBus#checkFree}
     */
    void checkFree(List<PciAddress> places) {
        for (PciAddress place : places) {
            bus.checkFree(place);
            functions.stream()
                    .filter(function -> function.emulated().containsKey(place))
                    .findFirst()
                    .ifPresent(function -> {
                        throw new ErrnoException(
                                EEXIST, "add " + place + ": it is for a virtual function of " + function.device());
                    });
        }
    }
}
