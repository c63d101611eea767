package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.vfio4j.sys.ErrnoException;

/** The drivers of a bus by name, in the order in which they came. Safe for all threads; nothing waits in here. */
final class DriverTable {

    private final Map<String, LoadedDriver> drivers = new LinkedHashMap<>();

    /** @throws ErrnoException EBUSY when there is one of this name */
    synchronized LoadedDriver add(PciDriver driver) {
        LoadedDriver loaded = new LoadedDriver(driver);
        if (drivers.putIfAbsent(driver.name(), loaded) != null) {
            throw new ErrnoException(EBUSY, "register driver " + driver.name());
        }
        return loaded;
    }

    synchronized void remove(LoadedDriver loaded) {
        drivers.remove(loaded.driver().name(), loaded);
    }

    /** @throws ErrnoException ENODEV when there is none of this name */
    synchronized LoadedDriver get(String name) {
        LoadedDriver loaded = drivers.get(name);
        if (loaded == null) {
            throw new ErrnoException(ENODEV, "driver " + name);
        }
        return loaded;
    }

    synchronized boolean has(String name) {
        return drivers.containsKey(name);
    }

    synchronized List<LoadedDriver> all() {
        return new ArrayList<>(drivers.values());
    }

    /** All aliases of all drivers. */
    List<DriverAlias> aliases() {
        return all().stream()
                .flatMap(loaded ->
                        loaded.ids().map(id -> new DriverAlias(loaded.driver().name(), id.alias())))
                .distinct()
                .toList();
    }

    /** The drivers with a matching {@code vfio_pci:} alias, each once, by fewest wildcards. */
    List<DriverAlias> vfioDrivers(String modalias) {
        String wanted = modalias.replaceFirst("^" + Modalias.PCI + ":", Modalias.VFIO_PCI + ":");
        Set<String> seen = new HashSet<>();
        return aliases().stream()
                .filter(alias -> alias.pattern().startsWith(Modalias.VFIO_PCI + ":") && alias.matches(wanted))
                .sorted(Comparator.comparingInt(DriverAlias::wildcards))
                .filter(alias -> seen.add(alias.driver()))
                .toList();
    }
}
