package org.vfio4j.mlx5vfiopci;

import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * The device of a guest that migrates: what the guest does goes to the file that it has now, one access at a time, and another one
 * gets the guest's memory and the registers that a virtual machine monitor restores.
 */
final class MovingFile {

    private record Map(long iova, long sizeBytes, int access, Fd memory, long offset) {}

    private final List<Map> maps = new ArrayList<>();
    private VfioDeviceFile current;
    private final VfioDeviceFile seen = (VfioDeviceFile) Proxy.newProxyInstance(
            VfioDeviceFile.class.getClassLoader(),
            new Class<?>[] {VfioDeviceFile.class},
            (proxy, method, arguments) -> call(method, arguments));

    MovingFile(VfioDeviceFile first) {
        current = first;
    }

    /** What the guest has, for good. */
    VfioDeviceFile seen() {
        return seen;
    }

    synchronized VfioDeviceFile current() {
        return current;
    }

    /** Stops the guest's accesses until {@code action} is over. */
    synchronized void locked(Runnable action) {
        action.run();
    }

    /** The guest has {@code other} from now on, which gets its memory, and memory decoding and bus master. */
    synchronized void moveTo(VfioDeviceFile other) {
        maps.forEach(map -> other.dmaMap(map.iova, map.sizeBytes, map.access, map.memory, map.offset));
        MemorySegment command = MemorySegment.ofArray(new byte[] {PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0});
        other.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 0, 2);
        current = other;
    }

    private synchronized Object call(Method method, Object[] arguments) throws Throwable {
        if (method.getName().equals("dmaMap")) {
            maps.add(new Map(
                    (long) arguments[0], (long) arguments[1], (int) arguments[2], ((Fd) arguments[3]).dup(), (long)
                            arguments[4]));
        } else if (method.getName().equals("dmaUnmap")) {
            maps.forEach(map -> map.memory.close());
            maps.clear();
        }
        try {
            return method.invoke(current, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
