package org.vfio4j.bus;

/** Hears what happens on an auxiliary bus, after it happened, in one order. It must not call the bus. */
public interface AuxiliaryBusListener {

    void added(AuxiliaryDevice device);

    void removed(AuxiliaryDevice device);

    /** Its driver changed. */
    void changed(AuxiliaryDevice device);
}
