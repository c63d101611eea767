package org.vfio4j.vfiouser;

import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_SET_IRQS;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE_MULTI;

import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;

/**
 * Tells a {@link ConfigJournal} of the commands that may change what it keeps: writes of configuration space and of the MSI-X table, and
 * resets. Belongs to the connection's owner.
 */
final class ConfigWatch {

    private final LocalDeviceFile file;
    private final ConfigJournal journal;
    private final VfioMsixCopy.Place table;

    ConfigWatch(LocalDeviceFile file, ConfigJournal journal) {
        this.file = file;
        this.journal = journal;
        table = VfioMsixCopy.Place.of(VfioPciConfigCopy.of(file));
    }

    /** A command has been carried out, or has failed, perhaps halfway. */
    void handled(Message request) {
        boolean changes = switch (request.command()) {
            case VFIO_USER_DEVICE_RESET, VFIO_USER_DEVICE_SET_IRQS -> true;
            case VFIO_USER_REGION_WRITE, VFIO_USER_REGION_WRITE_MULTI ->
                RegionCommands.touchesConfigSpace(request)
                        || RegionCommands.touches(
                                request,
                                table.tableBar(),
                                table.tableOffset(),
                                table.tableOffset() + table.tableBytes());
            default -> false;
        };
        if (changes) {
            write();
        }
    }

    void write() {
        journal.changed(VfioPciConfigCopy.of(file), VfioMsixCopy.of(file));
    }
}
