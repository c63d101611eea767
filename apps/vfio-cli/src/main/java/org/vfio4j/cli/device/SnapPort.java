package org.vfio4j.cli.device;

import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bluefield.SnapBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.mlx5.SnapFunction;

/**
 * A DPU, and one of its network functions: where functions come from that it emulates.
 *
 * @param dpu any thread may call it
 * @param networkFunction from 0
 */
public record SnapPort(Bluefield dpu, int networkFunction) {

    /** Plugs a device in as the DPU's, which closes it, even when this fails. */
    public SnapFunction create(PciAddress at, SnapFunction.Protocol protocol, EmulatedDevice device) {
        SnapBackend backend = new SnapBackend() {
            @Override
            public void resize(long sizeBytes) {
                device.tuning().resize(sizeBytes);
            }

            @Override
            public void resizeNamespace(int nsid, long sizeBytes) {
                device.tuning().resize(nsid, sizeBytes);
            }

            @Override
            public void close() {
                device.close();
            }
        };
        return dpu.create(networkFunction, at, protocol, device.function(), backend);
    }
}
