package org.vfio4j.vfiolinux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import org.vfio4j.sys.ErrnoException;

/** Which processes have what of VFIO's open: by /proc, as far as this user may look. Stateless. */
final class FileHolders {

    /** A device that was opened by its group, whichever it is: the group may be closed by then. */
    private static final String SOME_DEVICE = "anon_inode:[vfio-device]";

    /** A device that was opened by itself, for iommufd: beside the groups. Its group is in use by that too. */
    private static final String DEVICES = "devices";

    private static final int MAPS_COLUMNS = 6;

    private FileHolders() {}

    /**
     * Who has a group, for a message.
     *
     * @param group its file, as {@code /dev/vfio/7}
     * @return as {@code /dev/vfio/7 by process 4711 (qemu-system-x86)}
     */
    static String ofGroup(Path proc, Path group) {
        String having = of(proc, process -> hasOpen(process, group.toString()::equals));
        if (!having.isEmpty()) {
            return group + " by " + having;
        }
        String devices = group.resolveSibling(DEVICES) + "/";
        Predicate<String> isDevice = file -> file.equals(SOME_DEVICE) || file.startsWith(devices);
        String others = of(proc, process -> hasOpen(process, isDevice) || hasMapped(process, isDevice));
        return group + " by a process that cannot be seen from here"
                + (others.isEmpty() ? "" : ", or by one that has a VFIO device: " + others);
    }

    private static String of(Path proc, Predicate<Path> wanted) {
        List<String> processes = HostTree.names(proc).stream()
                .filter(name -> name.matches("\\d+"))
                .filter(name -> isSo(wanted, proc.resolve(name)))
                .map(name -> "process " + name + " ("
                        + HostTree.read(proc.resolve(name).resolve("comm")) + ")")
                .toList();
        return String.join(", ", processes);
    }

    private static boolean isSo(Predicate<Path> wanted, Path process) {
        try {
            return wanted.test(process);
        } catch (ErrnoException e) {
            // Another user's.
            return false;
        }
    }

    private static boolean hasOpen(Path process, Predicate<String> wanted) {
        Path descriptors = process.resolve("fd");
        return HostTree.names(descriptors).stream().anyMatch(name -> wanted.test(target(descriptors.resolve(name))));
    }

    /** A map is as good as a descriptor: the device is open until it goes. */
    private static boolean hasMapped(Path process, Predicate<String> wanted) {
        return HostTree.lines(process.resolve("maps")).stream().anyMatch(line -> wanted.test(mapped(line)));
    }

    /** The file of a line of maps, behind five columns of which none has more words than one; empty for memory without one. */
    private static String mapped(String line) {
        String[] columns = line.strip().split("\\s+", MAPS_COLUMNS);
        return columns.length < MAPS_COLUMNS ? "" : columns[MAPS_COLUMNS - 1];
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException e) {
            return "";
        }
    }
}
