package org.vfio4j.vfiouser;

import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_IO;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_PCI;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * The one piece of a device's state that a client does not inherit from the client before: COMMAND is what a user finds who opens
 * a device, with memory and I/O decoded and bus master off.
 *
 * <p>With decoding off, a client that does not know about it gets nothing but errors: SPDK's drivers turn on bus master and
 * nothing else. With bus master on, a device that still has its rings would go on with them at once, in memory of the new
 * client. It still does so from when that client turns bus master on until it resets the device, if it does so in this order.
 */
final class CommandAtConnect {

    private CommandAtConnect() {}

    /** Sets it, for a PCI device. */
    static void set(VfioDeviceFile file) {
        if ((file.info().flags() & VFIO_DEVICE_FLAGS_PCI) == 0) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment command = arena.allocate(1);
            file.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 0, 1);
            int was = command.get(ValueLayout.JAVA_BYTE, 0);
            int wanted = (was | PCI_COMMAND_MEMORY | PCI_COMMAND_IO) & ~PCI_COMMAND_MASTER;
            if (was != wanted) {
                command.set(ValueLayout.JAVA_BYTE, 0, (byte) wanted);
                file.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 0, 1);
            }
        }
    }
}
