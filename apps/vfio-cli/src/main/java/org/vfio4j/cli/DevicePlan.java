package org.vfio4j.cli;

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
}
