package org.vfio4j.cli.device;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.util.Optional;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.sys.ErrnoException;

/**
 * What can be changed of an NVMe controller while it is used.
 *
 * @param namespaces how many it has; a size says of which only when there is one
 */
record NvmeTuning(Nvme nvme, int namespaces) implements DeviceTuning {

    @Override
    public void resize(long sizeBytes) {
        if (namespaces != 1) {
            throw new CliException(
                    new ErrnoException(
                            EOPNOTSUPP,
                            "resize of a controller with " + namespaces + " namespaces, of which none is named"),
                    "--namespace N, with N from 1 to " + namespaces);
        }
        resize(1, sizeBytes);
    }

    @Override
    public void resize(int nsid, long sizeBytes) {
        nvme.resize(nsid, sizeBytes);
    }

    @Override
    public Optional<DeviceLimits> limits() {
        return Optional.of(nvme.limits());
    }

    @Override
    public void limit(long requestsPerSecond, long bytesPerSecond) {
        DeviceLimits now = nvme.limits();
        nvme.setLimits(
                requestsPerSecond == UNCHANGED ? now.requestsPerSecond() : requestsPerSecond,
                bytesPerSecond == UNCHANGED ? now.bytesPerSecond() : bytesPerSecond);
    }
}
