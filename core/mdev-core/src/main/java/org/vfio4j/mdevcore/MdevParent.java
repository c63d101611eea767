package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.ENOENT;

import java.util.List;
import org.vfio4j.sys.ErrnoException;

/** A device of which others can be made: {@code struct mdev_parent}. Belongs to its bus; any thread reads. */
public final class MdevParent {

    private final String name;
    private final String path;
    private final MdevParentOps ops;
    private final MdevDriver driver;
    private final List<MdevType> types;

    MdevParent(String name, String path, MdevParentOps ops, MdevDriver driver) {
        this.name = name;
        this.path = path;
        this.ops = ops;
        this.driver = driver;
        this.types = List.copyOf(ops.types());
    }

    /** What /sys/class/mdev_bus calls it, as {@code mtty} or {@code 0000:08:00.0}. */
    public String name() {
        return name;
    }

    /** Its directory below /sys, as {@code /devices/virtual/mtty/mtty}. */
    public String path() {
        return path;
    }

    /** The name of the driver that makes its devices. */
    public String driverName() {
        return ops.driverName();
    }

    /** What can be made of it. */
    public List<MdevType> types() {
        return types;
    }

    /**
     * The type of this name.
     *
     * @throws ErrnoException ENOENT when it has none
     */
    public MdevType type(String typeName) {
        return types.stream()
                .filter(type -> type.name().equals(typeName))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(
                        ENOENT,
                        "mdev type " + typeName + " of " + name + ": there is "
                                + String.join(
                                        ", ", types.stream().map(MdevType::name).toList())));
    }

    /** How many more of a type there could be now. */
    public int availableInstances(MdevType type) {
        return ops.availableInstances(type);
    }

    MdevParentOps ops() {
        return ops;
    }

    MdevDriver driver() {
        return driver;
    }

    @Override
    public String toString() {
        return name;
    }
}
