package org.vfio4j.bus;

/** Hears what happens on a bus, after it happened. Called with the bus locked: it must not call the bus. */
public interface PciBusListener {

    void added(PciDevice device);

    void removed(PciDevice device);

    /** Its driver, its driver_override or its configuration changed. */
    void changed(PciDevice device);
}
