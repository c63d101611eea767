package org.vfio4j.bus;

import java.time.Duration;
import java.util.Optional;

/**
 * A registered auxiliary driver and its users.
 *
 * @param driver as it was registered
 * @param users who holds it
 */
record LoadedAuxiliaryDriver(AuxiliaryDriver driver, DriverUsers users) implements BusDriver<AuxiliaryDevice> {

    LoadedAuxiliaryDriver(AuxiliaryDriver driver) {
        this(driver, new DriverUsers(driver.name()));
    }

    @Override
    public String name() {
        return driver.name();
    }

    @Override
    public boolean matches(AuxiliaryDevice device) {
        return match(device).isPresent();
    }

    @Override
    public void probe(AuxiliaryDevice device) {
        driver.probe(device, match(device).orElseThrow());
    }

    @Override
    public void remove(AuxiliaryDevice device, Duration limit) {
        driver.remove(device, limit);
    }

    // The entry of its table that matches: the whole name up to the last dot, no wildcards.
    private Optional<AuxiliaryDeviceId> match(AuxiliaryDevice device) {
        return driver.idTable().stream().filter(device.matchName()::equals).findFirst();
    }
}
