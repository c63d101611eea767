package org.vfio4j.vfiopcipowernv;

import java.util.Optional;

/**
 * The bridge of a link to a GPU, as the machine's device tree describes it: what {@link org.vfio4j.bus.PciFunction#platform} says of
 * such a function.
 *
 * @param tgt that of its GPU
 * @param linkSpeed as the device tree has it
 * @param atsd the page with the register that shoots down the GPU's translations; there are fewer than links
 */
public record NvLink2Bridge(long tgt, int linkSpeed, Optional<NvLink2Memory> atsd) {}
