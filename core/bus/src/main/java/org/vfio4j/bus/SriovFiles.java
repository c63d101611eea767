package org.vfio4j.bus;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a {@link SysfsView} shows of SR-IOV: attributes of a physical function, and links between it and its virtual ones. */
final class SriovFiles {

    private SriovFiles() {}

    /** Shows a function whose directory is there already. */
    static void added(SysfsPaths paths, PciDevice device) throws IOException {
        Path directory = paths.of(device);
        if (device.sriov().isPresent()) {
            PciSriov sriov = device.sriov().get();
            SysfsFiles.write(directory, "sriov_totalvfs", Integer.toString(sriov.totalVfs()));
            SysfsFiles.write(directory, "sriov_offset", Integer.toString(sriov.offset()));
            SysfsFiles.write(directory, "sriov_stride", Integer.toString(sriov.stride()));
            SysfsFiles.write(directory, "sriov_vf_device", Integer.toHexString(sriov.vfDeviceId()));
        }
        if (device.physicalFunction().isPresent()) {
            PciDevice physical = device.physicalFunction().get();
            SysfsFiles.link(directory.resolve("physfn"), paths.of(physical));
            SysfsFiles.link(linkTo(paths, device, physical), directory);
        }
    }

    static void changed(Path directory, PciDevice device) throws IOException {
        if (device.sriov().isPresent()) {
            SysfsFiles.write(
                    directory,
                    "sriov_numvfs",
                    Integer.toString(device.sriov().get().numVfs()));
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
