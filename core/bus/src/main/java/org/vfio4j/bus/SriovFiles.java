package org.vfio4j.bus;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a {@link SysfsView} shows of SR-IOV: attributes of a physical function, and links between it and its virtual ones. */
final class SriovFiles {

    private SriovFiles() {}

    /** Shows a function whose directory is there already. */
    static void added(Path devices, PciDevice device) throws IOException {
        Path directory = devices.resolve(device.toString());
        if (device.sriov().isPresent()) {
            PciSriov sriov = device.sriov().get();
            SysfsView.write(directory, "sriov_totalvfs", Integer.toString(sriov.totalVfs()));
            SysfsView.write(directory, "sriov_offset", Integer.toString(sriov.offset()));
            SysfsView.write(directory, "sriov_stride", Integer.toString(sriov.stride()));
            SysfsView.write(directory, "sriov_vf_device", Integer.toHexString(sriov.vfDeviceId()));
        }
        if (device.physicalFunction().isPresent()) {
            PciDevice physical = device.physicalFunction().get();
            Files.createSymbolicLink(directory.resolve("physfn"), Path.of("../" + physical));
            Files.createSymbolicLink(linkTo(devices, device, physical), Path.of("../" + device));
        }
    }

    static void changed(Path directory, PciDevice device) throws IOException {
        if (device.sriov().isPresent()) {
            SysfsView.write(
                    directory,
                    "sriov_numvfs",
                    Integer.toString(device.sriov().get().numVfs()));
        }
    }

    /** Takes away what a function left in another's directory. */
    static void removed(Path devices, PciDevice device) throws IOException {
        if (device.physicalFunction().isPresent()) {
            Files.deleteIfExists(
                    linkTo(devices, device, device.physicalFunction().get()));
        }
    }

    private static Path linkTo(Path devices, PciDevice device, PciDevice physical) {
        return devices.resolve(physical.toString()).resolve("virtfn" + device.virtualIndex());
    }
}
