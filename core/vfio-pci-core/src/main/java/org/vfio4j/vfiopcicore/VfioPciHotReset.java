package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;

/**
 * {@code VFIO_DEVICE_GET_PCI_HOT_RESET_INFO} and {@code VFIO_DEVICE_PCI_HOT_RESET}: the reset of a whole bus, for the user of every
 * function on it. For users of this process: the vfio-user protocol has no message for it, and its client has one device.
 *
 * <p>A bridge resets the bus behind it. Bus 0 of a domain is behind none, so its functions have no hot reset; buses have no slots
 * that could be reset alone. One thread at a time has all the files of a call.
 */
public final class VfioPciHotReset {

    private final PciBus bus;

    /**
     * A function that a hot reset takes along: {@code struct vfio_pci_dependent_device}.
     *
     * @param address where it sits
     * @param file the user's own file of it; empty for one that is not the user's, which keeps him from resetting
     */
    public record Dependent(PciAddress address, Optional<LocalDeviceFile> file) {}

    /** @param bus what the devices sit on */
    public VfioPciHotReset(PciBus bus) {
        this.bus = bus;
    }

    /**
     * What a hot reset of {@code device} takes along, itself included, by ascending address.
     *
     * @param others more open files of the same user
     * @throws ErrnoException ENODEV when it has no hot reset
     */
    public List<Dependent> info(LocalDeviceFile device, Collection<LocalDeviceFile> others) {
        PciAddress address = bus.devices().stream()
                .filter(candidate -> isOf(device, candidate))
                .findFirst()
                .map(PciDevice::address)
                .orElseThrow(() -> new ErrnoException(ENODEV, "hot reset of " + device.device() + ": not on this bus"));
        if (address.bus() == 0) {
            throw new ErrnoException(ENODEV, "hot reset of " + address + ": no bridge leads to bus 0");
        }
        List<LocalDeviceFile> mine = new ArrayList<>(others);
        mine.add(device);
        return bus.devices().stream()
                .filter(other -> other.address().domain() == address.domain()
                        && other.address().bus() == address.bus())
                .map(other -> new Dependent(other.address(), fileOf(other, mine)))
                .sorted((a, b) -> a.address().compareTo(b.address()))
                .toList();
    }

    /**
     * Resets every function on the device's bus, as {@link LocalDeviceFile#reset} does each.
     *
     * @param others the user's files of the other functions
     * @throws ErrnoException ENODEV when it has no hot reset; EINVAL, and nothing is reset, when the user does not have all of them;
     *     EBADF when a file is closed
     */
    public void reset(LocalDeviceFile device, Collection<LocalDeviceFile> others) {
        List<LocalDeviceFile> affected = new ArrayList<>();
        for (Dependent dependent : info(device, others)) {
            LocalDeviceFile file = dependent
                    .file()
                    .orElseThrow(() -> new ErrnoException(
                            EINVAL,
                            "hot reset of " + device.device() + ": " + dependent.address() + " is not the user's"));
            // Refuses a closed one, before anything is reset.
            file.info();
            affected.add(file);
        }
        affected.forEach(LocalDeviceFile::reset);
    }

    private static Optional<LocalDeviceFile> fileOf(PciDevice device, List<LocalDeviceFile> files) {
        return files.stream().filter(file -> isOf(file, device)).findFirst();
    }

    private static boolean isOf(LocalDeviceFile file, PciDevice device) {
        return file.device().parentName().equals(device.toString());
    }
}
