package org.vfio4j.cli.device;

import java.util.Optional;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.mlx5.SnapFunction;

/**
 * What can be changed of a function that a DPU emulates: its size by the DPU, which knows whether it is being migrated.
 *
 * @param device what can be changed of what it emulates
 */
public record SnapTuning(Bluefield dpu, SnapFunction snap, DeviceTuning device) implements DeviceTuning {

    @Override
    public void resize(long sizeBytes) {
        dpu.resize(snap, sizeBytes);
    }

    @Override
    public void resize(int nsid, long sizeBytes) {
        dpu.resizeNamespace(snap, nsid, sizeBytes);
    }

    @Override
    public Optional<DeviceLimits> limits() {
        return device.limits();
    }

    @Override
    public void limit(long requestsPerSecond, long bytesPerSecond) {
        device.limit(requestsPerSecond, bytesPerSecond);
    }
}
