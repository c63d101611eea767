package org.vfio4j.bluefield;

import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciFunction;

/**
 * What a scalable function is made of, as the DPU has it. Good for as long as the function is there.
 *
 * @param function what the DPU emulates, with its state, which the host does not see
 * @param storage what its disk stands on
 */
public record ScalableParts(PciFunction function, BlockBackend storage) {}
