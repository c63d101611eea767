package org.vfio4j.bus;

import java.util.Optional;

/**
 * A registered auxiliary driver and its users.
 *
 * @param driver as it was registered
 * @param users who holds it
 */
record LoadedAuxiliaryDriver(AuxiliaryDriver driver, DriverUsers users) {

    LoadedAuxiliaryDriver(AuxiliaryDriver driver) {
        this(driver, new DriverUsers(driver.name()));
    }

    /** The entry of its table that matches: the whole name up to the last dot, no wildcards. */
    Optional<AuxiliaryDeviceId> match(AuxiliaryDevice device) {
        return driver.idTable().stream().filter(device.matchName()::equals).findFirst();
    }
}
