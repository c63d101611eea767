package org.vfio4j.bus;

/** The interrupts of a function that somebody listens to; of one kind at a time. */
public enum IrqKind {
    /** Nobody does. */
    NONE,
    /** The pin. */
    INTX,
    /** Message-signalled interrupts of the MSI capability. */
    MSI,
    /** Those of the MSI-X capability. */
    MSIX
}
