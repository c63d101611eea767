package org.vfio4j.cli.serve;

import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineActions;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.fuse.FuseMount;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sysfsfuse.SysfsTree;

/** The tree like /sys that {@code --sysfs-fuse} asks for, or none. Closed before the machine, by any thread and more than once. */
final class SysfsMount implements AutoCloseable {

    private static final String SOURCE = "vfio4j";

    private final Optional<FuseMount> mount;
    private boolean closed;

    private SysfsMount(Optional<FuseMount> mount) {
        this.mount = mount;
    }

    /** No tree. */
    static SysfsMount none() {
        return new SysfsMount(Optional.empty());
    }

    /**
     * Mounts it, when a directory is given.
     *
     * @param view where the files are that are kept beside it
     * @throws CliException with advice, when it cannot be mounted there
     */
    static SysfsMount open(Machine machine, ServerControl control, Optional<Path> directory, Path view) {
        return new SysfsMount(directory.map(
                path -> open(machine, control, path.toAbsolutePath().normalize(), view)));
    }

    private static FuseMount open(Machine machine, ServerControl control, Path directory, Path view) {
        // The bus writes the view and answers for the tree: the one in the other would wait for itself.
        if (view.normalize().startsWith(directory) || directory.startsWith(view.normalize())) {
            throw CliException.usage(
                    "--sysfs-fuse " + directory + " and --sysfs " + view + ": one is in the other",
                    "--sysfs-fuse " + directory + "-fuse");
        }
        MachineActions actions = new MachineActions(machine, control::publishChange);
        SysfsTree tree = new SysfsTree(machine.bus(), machine.mdevs().bus(), actions);
        try {
            return FuseMount.open(directory, tree.root(), SOURCE);
        } catch (ErrnoException e) {
            throw new CliException(e, hint(e.errno(), directory, view));
        }
    }

    private static String hint(int errno, Path directory, Path view) {
        return switch (errno) {
            case Errno.EEXIST, Errno.ENOTDIR -> "an empty directory, or one that is not there yet";
            case Errno.EACCES -> "ls -ld " + directory + "; ls -l /dev/fuse";
            default ->
                "FUSE is needed: /dev/fuse, and for other users than root fusermount3 (apt-get install fuse3). Without"
                        + " --sysfs-fuse, " + view + " is there to be read";
        };
    }

    /** Where it is. */
    Optional<Path> directory() {
        return mount.map(FuseMount::directory);
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            mount.ifPresent(FuseMount::close);
        }
    }
}
