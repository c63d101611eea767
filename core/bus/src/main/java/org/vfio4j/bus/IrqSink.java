package org.vfio4j.bus;

/**
 * Where a function's interrupts go. A function calls it from any of its threads; an implementation never blocks and never
 * allocates.
 *
 * <p>A function chooses between the two kinds by its own MSI and MSI-X enable bits (PCI Local Bus 3.0, 6.8.1.3 and 6.8.2.3),
 * as hardware does; masks, pending bits and delivery are the sink's affair.
 */
public interface IrqSink {

    /** A sink that drops every interrupt: what a function has while nobody uses it. */
    IrqSink NONE = new IrqSink() {
        @Override
        public void msi(int vector) {}

        @Override
        public void intx(boolean asserted) {}
    };

    /**
     * Sends one message-signalled interrupt. While the function has memory, a thread of it calls this between
     * {@link DmaWindow#enter} and {@link DmaWindow#leave}, whether it does DMA or not, so that delivery's own resources live until the call
     * returns.
     *
     * @param vector MSI message number or MSI-X table entry; one that is not enabled is dropped
     */
    void msi(int vector);

    /** Drives the function's INTx pin: a level, true while the function has an interrupt to report. */
    void intx(boolean asserted);

    /** Reports an error that the function cannot mend itself, as PCI Express does with ERR_NONFATAL and ERR_FATAL. */
    default void error() {}
}
