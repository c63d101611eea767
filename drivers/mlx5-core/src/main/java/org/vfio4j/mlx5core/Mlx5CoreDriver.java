package org.vfio4j.mlx5core;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.List;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.sys.ErrnoException;

/**
 * The driver of the physical network functions of mlx5 devices, BlueField DPUs and ConnectX adapters: for each function that the
 * device emulates it puts a part on the auxiliary bus, which another driver gives to VFIO's users, and one more, {@code
 * mlx5_core.mdev.N}, when there can be scalable functions. The functions' own device is not VFIO's. The bus's thread calls.
 */
public final class Mlx5CoreDriver implements PciDriver {

    /** Its name, which is the first part of the names of its auxiliary devices. */
    public static final String NAME = "mlx5_core";

    private static final String MDEV = "mdev";

    private static final int MELLANOX = 0x15b3;
    private static final int CONNECTX_6_DX = 0x101d;
    private static final int BLUEFIELD_2 = 0xa2d6;
    private static final int BLUEFIELD_3 = 0xa2dc;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<PciDeviceId> idTable() {
        return List.of(
                PciDeviceId.of(MELLANOX, CONNECTX_6_DX),
                PciDeviceId.of(MELLANOX, BLUEFIELD_2),
                PciDeviceId.of(MELLANOX, BLUEFIELD_3));
    }

    /** {@inheritDoc} ENODEV for one whose firmware does not answer. */
    @Override
    public void probe(PciDevice device) {
        Mlx5Firmware firmware = device.function()
                .platform(Mlx5Firmware.class)
                .orElseThrow(
                        () -> new ErrnoException(ENODEV, NAME + ": the firmware of " + device + " does not answer"));
        SnapParts parts = new SnapParts(device, firmware);
        device.setDriverData(parts);
        parts.start();
        if (firmware.sfCaps().maxNumSf() > 0) {
            // It goes with this driver, before its device does.
            Mlx5MdevDevice data = new Mlx5MdevDevice(device, firmware);
            device.bus().auxiliary().add(device, NAME, MDEV, device.address().routingId(), data);
        }
    }

    @Override
    public void remove(PciDevice device) {
        device.driverData(SnapParts.class).stop();
    }
}
