package org.vfio4j.cli.device;

import java.util.Optional;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.virtioblk.VirtioBlk;

/** What can be changed of a disk while it is used. */
record DiskTuning(VirtioBlk disk) implements DeviceTuning {

    @Override
    public void resize(long sizeBytes) {
        disk.resize(sizeBytes);
    }

    @Override
    public Optional<DeviceLimits> limits() {
        return Optional.of(disk.limits());
    }

    @Override
    public void limit(long requestsPerSecond, long bytesPerSecond) {
        DeviceLimits now = disk.limits();
        disk.setLimits(
                requestsPerSecond == UNCHANGED ? now.requestsPerSecond() : requestsPerSecond,
                bytesPerSecond == UNCHANGED ? now.bytesPerSecond() : bytesPerSecond);
    }
}
