package org.vfio4j.sysfsfuse;

import java.util.UUID;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mdevcore.MdevType;

/**
 * What writes in the tree do that whoever serves the devices has a part in. Threads of writers call, which may wait and are
 * interrupted when the writer gets a signal; what fails says why with its errno, as the bus's own calls do.
 */
public interface SysfsActions {

    /** Gives a function to a driver: {@code bind}. */
    void bind(PciDevice device, String driver);

    /** Takes it from its driver: {@code unbind}. */
    void unbind(PciDevice device);

    /** Lets the drivers see it: {@code drivers_probe}. */
    void probe(PciDevice device);

    /** Turns virtual functions of it on or off: {@code sriov_numvfs}. */
    void setNumVfs(PciDevice device, int count);

    /** Gives an auxiliary device to a driver: {@code bind}. */
    void bind(AuxiliaryDevice device, String driver);

    /** Takes it from its driver: {@code unbind}. */
    void unbind(AuxiliaryDevice device);

    /** Makes an mdev: {@code create}. */
    void create(MdevParent parent, MdevType type, UUID uuid);

    /** Removes one: {@code remove}. */
    void remove(MdevDevice device);

    /** Does it on the buses, and nothing else. */
    static SysfsActions on(PciBus bus, MdevBus mdevs) {
        return new SysfsActions() {
            @Override
            public void bind(PciDevice device, String driver) {
                bus.bind(device, driver);
            }

            @Override
            public void unbind(PciDevice device) {
                bus.unbind(device);
            }

            @Override
            public void probe(PciDevice device) {
                bus.probe(device);
            }

            @Override
            public void setNumVfs(PciDevice device, int count) {
                bus.setNumVfs(device, count);
            }

            @Override
            public void bind(AuxiliaryDevice device, String driver) {
                bus.auxiliary().bind(device, driver);
            }

            @Override
            public void unbind(AuxiliaryDevice device) {
                bus.auxiliary().unbind(device);
            }

            @Override
            public void create(MdevParent parent, MdevType type, UUID uuid) {
                mdevs.create(parent, type, uuid);
            }

            @Override
            public void remove(MdevDevice device) {
                mdevs.remove(device.uuid());
            }
        };
    }
}
