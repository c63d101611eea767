package org.vfio4j.mlx5;

import org.vfio4j.bus.PciFunction;

/**
 * A scalable function (SF): one that a device has without an address on the PCI bus, and that is whole otherwise.
 *
 * @param vhcaId by which commands name it
 * @param function what its driver reaches: registers, interrupts and DMA of its own
 * @param storage what its disk stands on, for people
 */
public record ScalableFunction(int vhcaId, PciFunction function, String storage) {}
