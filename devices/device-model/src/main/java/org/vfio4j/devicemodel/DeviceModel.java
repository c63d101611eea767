package org.vfio4j.devicemodel;

import org.vfio4j.bus.DmaSpace;

/**
 * What an {@link EmulatedFunction} tells the device that it is the front of. Registers have their own hooks; these are the
 * events of the whole function. Called by the thread that accesses the function.
 */
public interface DeviceModel {

    /** There is memory to master from now on. */
    void attachDma(DmaSpace space);

    /** There is none any more: returns when no access is in flight and none will start. State stays. */
    void detachDma();

    /** Back to the state after power-on: returns when that is so. Memory and interrupts stay connected. */
    void reset();

    /** As {@link org.vfio4j.bus.PciFunction#initiateReset}. */
    default void initiateReset() {
        reset();
    }

    /**
     * {@code PCI_COMMAND_MASTER} has changed, which a reset does too. While it is off no DMA starts; what is in flight may
     * end. Does not block.
     */
    void busMasterChanged(boolean enabled);
}
