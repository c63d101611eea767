package org.vfio4j.vfiolinux;

import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;

/** Configuration spaces as /sys has them. Stateless. */
final class HostConfig {

    /** What the registers of a virtual function say: its ids are in its physical one (PCI Express Base 6.0, 9.3.4.1). */
    private static final int NO_IDS = -1;

    private HostConfig() {}

    /** @param device the function's directory */
    static byte[] read(PciAddress address, Path device) {
        byte[] config;
        try {
            config = Files.readAllBytes(device.resolve("config"));
        } catch (IOException e) {
            throw ErrnoException.of(e, "read the configuration space of " + address);
        }
        ByteBuffer registers = ByteBuffer.wrap(config).order(ByteOrder.LITTLE_ENDIAN);
        // Any other that says so does not answer.
        boolean virtual = Files.exists(device.resolve("physfn"));
        if (virtual && config.length >= Integer.BYTES && registers.getInt(PCI_VENDOR_ID) == NO_IDS) {
            int vendor = HostTree.hexadecimal(device.resolve("vendor"));
            int id = HostTree.hexadecimal(device.resolve("device"));
            registers.putInt(PCI_VENDOR_ID, vendor | id << Short.SIZE);
        }
        return config;
    }
}
