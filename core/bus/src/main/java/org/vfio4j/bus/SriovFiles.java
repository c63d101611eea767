package org.vfio4j.bus;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a {@link SysfsView} shows of SR-IOV beside attributes: links between a physical function and its virtual ones. */
final class SriovFiles {

    private SriovFiles() {}

    /** Shows a function whose directory is there already. */
    static void added(SysfsPaths paths, PciDevice device) throws IOException {
        if (device.physicalFunction().isPresent()) {
            Path directory = paths.of(device);
            PciDevice physical = device.physicalFunction().get();
            SysfsFiles.link(directory.resolve("physfn"), paths.of(physical));
            SysfsFiles.link(linkTo(paths, device, physical), directory);
        }
    }

    /** Takes away what a function left in another's directory. */
    static void removed(SysfsPaths paths, PciDevice device) throws IOException {
        if (device.physicalFunction().isPresent()) {
            Files.deleteIfExists(linkTo(paths, device, device.physicalFunction().get()));
        }
    }

    private static Path linkTo(SysfsPaths paths, PciDevice device, PciDevice physical) {
        return paths.of(physical).resolve("virtfn" + device.virtualIndex());
    }
}
