package org.vfio4j.vfiopcifacts;

/**
 * What somebody must be told of a function because nothing in the function says it.
 *
 * @param ioPageFaultTolerant whether it copes with a page fault of any of its DMA accesses, so that its user need not pin memory
 * @param denylisted whether it is refused to users, for errata that let one harm the machine
 * @param brokenIntxMasking whether {@code PCI_COMMAND_INTX_DISABLE} or {@code PCI_STATUS_INTERRUPT} does not work
 * @param pasidOffset where a PASID capability goes in the configuration space that its user sees, 0 for nowhere
 * @param atsOffset where an address translation services (ATS) capability goes, 0 for nowhere
 * @param priOffset where a page request interface (PRI) capability goes, 0 for nowhere
 */
public record PciFacts(
        boolean ioPageFaultTolerant,
        boolean denylisted,
        boolean brokenIntxMasking,
        int pasidOffset,
        int atsOffset,
        int priOffset) {

    /** A function of which nothing is known. */
    public static final PciFacts NONE = new PciFacts(false, false, false, 0, 0, 0);
}
