package org.vfio4j.cli.inspect;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.bus.AuxiliaryDeviceId;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.DriverAlias;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lists drivers. */
@Command(
        name = "drivers",
        description = "Lists the drivers that are installed, and what they match.",
        mixinStandardHelpOptions = true,
        footer = {"", "A driver is a jar with a provider of org.vfio4j.bus.PciDriver or AuxiliaryDriver."})
public final class DriversCommand implements Runnable {

    @Mixin
    private OutputOption output = new OutputOption();

    /**
     * A driver as it is printed.
     *
     * @param name as {@code vfio-pci}
     * @param module the Java module that it comes from
     * @param aliases as {@code vfio_pci:v*d*sv*sd*bc*sc*i*} or {@code auxiliary:mlx5_core.vfio_pci}
     */
    private record Driver(String name, String module, List<String> aliases) {}

    @Override
    public void run() {
        PciBus bus = Machine.driversOnly();
        List<DriverAlias> aliases = bus.aliases();
        List<Driver> drivers = new ArrayList<>();
        for (PciDriver driver : bus.drivers()) {
            List<String> own = aliases.stream()
                    .filter(alias -> alias.driver().equals(driver.name()))
                    .map(DriverAlias::pattern)
                    .toList();
            drivers.add(new Driver(driver.name(), moduleOf(driver), own));
        }
        for (AuxiliaryDriver driver : bus.auxiliary().drivers()) {
            List<String> own =
                    driver.idTable().stream().map(AuxiliaryDeviceId::alias).toList();
            drivers.add(new Driver(driver.name(), moduleOf(driver), own));
        }
        output.print("Driver", drivers, () -> {
            Table table = new Table("DRIVER", "MODULE", "ALIAS");
            for (Driver driver : drivers) {
                driver.aliases().forEach(alias -> table.row(driver.name(), driver.module(), alias));
            }
            output.out().print(table);
        });
    }

    private static String moduleOf(Object driver) {
        Module module = driver.getClass().getModule();
        return module.isNamed() ? module.getName() : "(class path)";
    }
}
