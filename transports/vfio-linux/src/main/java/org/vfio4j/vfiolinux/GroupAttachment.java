package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPERM;

import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * A device by its group, in a container of its own.
 *
 * @param path the group's
 * @param group what it is in
 * @param container its memory
 */
record GroupAttachment(Path path, Fd device, VfioGroup group, Type1Container container) implements VfioAttachment {

    private static final Path PROC = Path.of("/proc");

    /**
     * Opens a device.
     *
     * @param directory {@code /dev/vfio}
     * @param group the number of its group
     * @param name the device's
     * @param vfToken what the users of a physical function and of its virtual ones share
     */
    static GroupAttachment open(Path directory, int group, String name, Optional<UUID> vfToken) {
        Type1Container container = Type1Container.open(directory.resolve("vfio"));
        try {
            Path path = directory.resolve(Integer.toString(group));
            VfioGroup opened = openGroup(path, name);
            try {
                opened.checkViable(name);
                attach(container, opened, name);
                return new GroupAttachment(path, openDevice(opened, name, vfToken), opened, container);
            } catch (RuntimeException e) {
                opened.close();
                throw e;
            }
        } catch (RuntimeException e) {
            container.close();
            throw e;
        }
    }

    @Override
    public void map(long iova, long sizeBytes, int access, Fd memory, long offset) {
        container.map(iova, sizeBytes, access, memory, offset);
    }

    @Override
    public void unmap(long iova, long sizeBytes) {
        container.unmap(iova, sizeBytes);
    }

    @Override
    public void unmapAll() {
        container.unmapAll();
    }

    @Override
    public void close() {
        device.close();
        group.close();
        container.close();
    }

    private static VfioGroup openGroup(Path path, String name) {
        try {
            return VfioGroup.open(path);
        } catch (ErrnoException e) {
            if (e.errno() != EBUSY) {
                throw e;
            }
            throw new ErrnoException(
                    EBUSY, name + ": its IOMMU group is open already, " + FileHolders.ofGroup(PROC, path));
        }
    }

    private static Fd openDevice(VfioGroup group, String name, Optional<UUID> vfToken) {
        try {
            return group.device(
                    name + vfToken.map(token -> " vf_token=" + token).orElse(""));
        } catch (ErrnoException e) {
            if (e.errno() == EACCES) {
                throw new ErrnoException(
                        EACCES,
                        name + ": vfio-pci has its physical function too, and "
                                + (vfToken.isPresent() ? "this is not the VF token of that" : "no VF token was given"));
            }
            if (e.errno() == EINVAL && vfToken.isPresent()) {
                throw new ErrnoException(EINVAL, name + ": it takes no VF token");
            }
            throw e;
        }
    }

    private static void attach(Type1Container container, VfioGroup group, String name) {
        try {
            container.attach(group);
        } catch (ErrnoException e) {
            if (e.errno() != EPERM) {
                throw e;
            }
            throw new ErrnoException(
                    EPERM,
                    name + ": the IOMMU does not remap interrupts, so that the device could send any"
                            + " (vfio_iommu_type1.allow_unsafe_interrupts)");
        }
    }
}
