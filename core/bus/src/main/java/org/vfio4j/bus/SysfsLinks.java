package org.vfio4j.bus;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/** What a {@link SysfsView} shows of every device, whatever its bus: its directory, its bus, and who drives it. */
final class SysfsLinks {

    private final SysfsPaths paths;

    SysfsLinks(SysfsPaths paths) {
        this.paths = paths;
    }

    /** Makes a device's directory, and the link to it under its bus. */
    Path added(BusDevice device) throws IOException {
        String bus = SysfsPaths.busOf(device);
        Path path = Files.createDirectories(paths.of(device));
        SysfsFiles.link(path.resolve("subsystem"), paths.top().resolve("bus").resolve(bus));
        SysfsFiles.link(paths.devices(bus).resolve(device.name()), path);
        return path;
    }

    /** Shows which driver has a device now. */
    void driverChanged(BusDevice device, Optional<String> driver) throws IOException {
        unlinkDriver(device);
        if (driver.isPresent()) {
            Path path = paths.of(device);
            Path own = Files.createDirectories(
                    paths.drivers(SysfsPaths.busOf(device)).resolve(driver.get()));
            SysfsFiles.link(own.resolve(device.name()), path);
            SysfsFiles.link(path.resolve("driver"), own);
        }
    }

    void removed(BusDevice device) throws IOException {
        unlinkDriver(device);
        Files.deleteIfExists(paths.devices(SysfsPaths.busOf(device)).resolve(device.name()));
        SysfsFiles.deleteTree(paths.of(device));
    }

    private void unlinkDriver(BusDevice device) throws IOException {
        Files.deleteIfExists(paths.of(device).resolve("driver"));
        try (Stream<Path> known = Files.list(paths.drivers(SysfsPaths.busOf(device)))) {
            for (Path driver : known.toList()) {
                Files.deleteIfExists(driver.resolve(device.name()));
            }
        }
    }
}
