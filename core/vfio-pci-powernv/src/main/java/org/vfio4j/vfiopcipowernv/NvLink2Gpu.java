package org.vfio4j.vfiopcipowernv;

/**
 * A GPU on NVLink2, as the machine's device tree describes it: what {@link org.vfio4j.bus.PciFunction#platform} says of such a function.
 *
 * @param tgt address of its memory in the link's own address space, by which GPU and bridges find each other
 * @param ram its memory
 */
public record NvLink2Gpu(long tgt, NvLink2Memory ram) {}
