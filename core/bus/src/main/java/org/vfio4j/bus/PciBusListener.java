package org.vfio4j.bus;

/** Hears what happens on a bus, after it happened. It must not call the bus. */
public interface PciBusListener {

    void added(PciDevice device);

    void removed(PciDevice device);

    /** Its driver or its driver_override changed. */
    void changed(PciDevice device);

    /** Its configuration space was written, or it was reset. Called by the thread that did it, often: it must not wait. */
    void configWritten(PciDevice device);
}
