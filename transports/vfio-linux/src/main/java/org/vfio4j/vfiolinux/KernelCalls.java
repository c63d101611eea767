package org.vfio4j.vfiolinux;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Ioctl;
import org.vfio4j.uapi.VfioIoctl;

/** Requests to the kernel's VFIO by one descriptor. */
@FunctionalInterface
interface KernelCalls {

    /**
     * Makes a request.
     *
     * @param structure what the request takes, in native memory
     * @return what the kernel returns, which is not negative
     * @throws org.vfio4j.sys.ErrnoException that names the request
     */
    int call(VfioIoctl request, MemorySegment structure);

    /** Those of a descriptor, which stays its owner's. */
    static KernelCalls of(Fd fd) {
        return (request, structure) -> Ioctl.call(fd, request.number(), request.name(), structure);
    }

    /** A request whose argument is a number. */
    static int call(Fd fd, VfioIoctl request, long argument) {
        return Ioctl.call(fd, request.number(), request.name(), argument);
    }
}
