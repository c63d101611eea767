package org.vfio4j.bus;

/** A payload of an auxiliary device that is about a PCI function other than its parent: tools show which. */
public interface FunctionPart {

    /** The function, on the bus of the same machine. */
    PciDevice function();
}
