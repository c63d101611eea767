package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.sys.Errno.EPERM;
import static org.vfio4j.uapi.VfioIoctl.VFIO_GROUP_GET_DEVICE_FD;
import static org.vfio4j.uapi.VfioIoctl.VFIO_GROUP_GET_STATUS;
import static org.vfio4j.uapi.VfioIoctl.VFIO_GROUP_SET_CONTAINER;
import static org.vfio4j.uapi.VfioKernel.VFIO_GROUP_FLAGS_VIABLE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.uapi.VfioKernel.GroupStatus;

/** An IOMMU group of this process: the kernel gives it to one at a time. Belongs to the thread that opens a device. */
final class VfioGroup implements AutoCloseable {

    private final Fd fd;

    private VfioGroup(Fd fd) {
        this.fd = fd;
    }

    /** @throws ErrnoException EBUSY while another process has it; EACCES; ENOENT when no function of it has a VFIO driver */
    static VfioGroup open(Path device) {
        return new VfioGroup(FileIo.open(device, FileIo.O_RDWR));
    }

    /** @throws ErrnoException EPERM when a function of the group has another driver */
    void checkViable(String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(GroupStatus.SIZEOF, Integer.BYTES);
            status.set(JAVA_INT, GroupStatus.ARGSZ, GroupStatus.SIZEOF);
            KernelCalls.of(fd).call(VFIO_GROUP_GET_STATUS, status);
            if ((status.get(JAVA_INT, GroupStatus.FLAGS) & VFIO_GROUP_FLAGS_VIABLE) == 0) {
                throw new ErrnoException(EPERM, name + ": its IOMMU group is not viable: other functions have drivers");
            }
        }
    }

    void join(Fd container) {
        try (Arena arena = Arena.ofConfined()) {
            KernelCalls.of(fd).call(VFIO_GROUP_SET_CONTAINER, arena.allocateFrom(JAVA_INT, container.value()));
        }
    }

    /** @param name as the kernel calls the device, and options behind spaces */
    Fd device(String name) {
        try (Arena arena = Arena.ofConfined()) {
            return Fd.own(KernelCalls.of(fd).call(VFIO_GROUP_GET_DEVICE_FD, arena.allocateFrom(name)));
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
