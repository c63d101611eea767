package org.vfio4j.mlx5migration;

import org.vfio4j.mlx5.Mlx5Caps;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.vfiopcicore.VfioPciCore;

/** What the drivers have in common that give functions to VFIO's users behind which there is an mlx5 device's firmware. */
public final class Mlx5Migration {

    private Mlx5Migration() {}

    /**
     * Makes a device migratable, and has its writes logged, as far as the firmware can do that; before it is registered.
     *
     * @param firmware carries the commands out, as long as the device is there
     * @param vhcaId by which they name its function
     */
    public static void addTo(VfioPciCore core, Mlx5Firmware firmware, int vhcaId) {
        Mlx5Caps caps = firmware.caps();
        if (caps.migration()) {
            VhcaMigration migration = new VhcaMigration(core, firmware, vhcaId);
            core.setMigration(migration);
            core.onReset(migration::reset);
        }
        if (caps.advVirtualization()) {
            core.setLogging(new PageTracking(firmware, vhcaId));
        }
    }
}
