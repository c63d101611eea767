package org.vfio4j.cli.config;

import java.util.Optional;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.device.BridgePlan;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;

/**
 * A bus without drivers on which functions that do nothing take the places of those that will: what it refuses, a machine's bus would
 * refuse. Belongs to its reader.
 */
final class PlannedBus {

    private static final int NOBODY = 0xffff;

    private final PciBus bus = new PciBus();

    /** @throws org.vfio4j.sys.ErrnoException as {@link PciBus#add} */
    void add(PciAddress address, BridgePlan bridge) {
        bus.add(address, bridge.open(address));
    }

    /** @throws org.vfio4j.sys.ErrnoException as {@link PciBus#add} */
    void add(PciAddress address) {
        bus.add(address, new EmulatedFunctionBuilder(NOBODY, NOBODY).build(new Nothing()));
    }

    /** The bridge that a place is right behind. */
    Optional<PciAddress> upstream(PciAddress address) {
        return bus.device(address).upstream().map(PciDevice::address);
    }

    private static final class Nothing implements DeviceModel {
        @Override
        public void attachDma(DmaSpace space) {}

        @Override
        public void detachDma() {}

        @Override
        public void reset() {}

        @Override
        public void busMasterChanged(boolean enabled) {}
    }
}
