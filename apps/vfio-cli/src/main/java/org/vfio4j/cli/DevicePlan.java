package org.vfio4j.cli;

import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;

/** A device whose settings have been checked. */
interface DevicePlan {

    /**
     * Makes the device, with what it stands on. The caller closes it.
     *
     * @param address where it will be, for the names of its threads and its log lines
     * @throws CliException with advice, when what it stands on cannot be opened
     */
    EmulatedDevice open(PciAddress address);

    /**
     * Everything that the device consists of, in the order in which it is plugged in: bridges before what is behind them. One
     * function, unless the device is more, such as a DPU. The caller closes it.
     *
     * @param address where it will be, or the first of it
     */
    default List<Placed> openAll(PciAddress address) {
        return List.of(new Placed.Function(address, open(address), Placed.Use.VFIO, Optional.empty()));
    }

    /** Whether its functions say themselves where they are served, so that no socket is given with it. */
    default boolean namesItsSockets() {
        return false;
    }
}
