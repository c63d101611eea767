package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.List;
import org.vfio4j.devicemodel.FunctionMemory;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/** The page of doorbells of a suspended controller, which its driver may go on writing. From the function's thread. */
final class NvmeFunctionMemory implements FunctionMemory {

    private final Nvme nvme;

    NvmeFunctionMemory(Nvme nvme) {
        this.nvme = nvme;
    }

    @Override
    public List<Fd> share() {
        requireSuspended("share");
        nvme.doorbells().prepareLeave();
        return List.of(nvme.doorbells().memory().fd().dup());
    }

    @Override
    public void adopt(List<Fd> memory) {
        requireSuspended("adopt");
        if (memory.size() != 1) {
            throw new ErrnoException(EINVAL, "adopt doorbells: " + memory.size() + " descriptors instead of 1");
        }
        nvme.doorbells().adopt(memory.getFirst());
    }

    @Override
    public void leave() {
        requireSuspended("leave");
        nvme.threads().callQuiesced(nvme.doorbells()::leave);
    }

    private void requireSuspended(String what) {
        if (!nvme.isSuspended()) {
            throw new ErrnoException(EBUSY, what + " the doorbells of a controller that is not suspended");
        }
    }
}
