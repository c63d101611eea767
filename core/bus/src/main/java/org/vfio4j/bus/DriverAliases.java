package org.vfio4j.bus;

import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What drivers of PCI devices say that they drive. Safe for all threads. */
final class DriverAliases {

    private final DriverList<LoadedDriver> drivers;

    DriverAliases(DriverList<LoadedDriver> drivers) {
        this.drivers = drivers;
    }

    /** All aliases of all drivers. */
    List<DriverAlias> all() {
        return drivers.all().stream()
                .flatMap(loaded ->
                        loaded.ids().map(id -> new DriverAlias(loaded.driver().name(), id.alias())))
                .distinct()
                .toList();
    }

    /** The drivers with a matching {@code vfio_pci:} alias, each once, by fewest wildcards. */
    List<DriverAlias> vfio(String modalias) {
        String wanted = modalias.replaceFirst("^" + Modalias.PCI + ":", Modalias.VFIO_PCI + ":");
        Set<String> seen = new HashSet<>();
        return all().stream()
                .filter(alias -> alias.pattern().startsWith(Modalias.VFIO_PCI + ":") && alias.matches(wanted))
                .sorted(Comparator.comparingInt(DriverAlias::wildcards))
                .filter(alias -> seen.add(alias.driver()))
                .toList();
    }
}
