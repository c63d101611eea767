package org.vfio4j.bluefield;

import org.vfio4j.mlx5.SfCaps;

/**
 * What each network function of a DPU has for scalable functions.
 *
 * @param caps how much there is
 * @param storage what their disks stand on
 */
public record SfOptions(SfCaps caps, SfStorage storage) {

    /** Of a DPU without scalable functions. */
    public static final SfOptions NONE = new SfOptions(SfCaps.NONE, SfStorage.MEMORY);
}
