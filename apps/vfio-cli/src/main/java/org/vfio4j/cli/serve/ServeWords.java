package org.vfio4j.cli.serve;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.MdevParentKinds;
import org.vfio4j.cli.keep.Keeper;

/** The words of a command line for {@link ServeCommand}, before the parser has them. Stateless. */
public final class ServeWords {

    static final String SUPERVISED = "--supervised";

    private static final String NEXT_DEVICE = "+";
    private static final Set<String> PROCESS_OPTIONS = Set.of(
            "--config",
            "-f",
            "--sysfs",
            "--sysfs-fuse",
            "--run",
            "--print",
            "--vfio-pci",
            "--facts",
            "--definitions",
            Keeper.KEPT_BY,
            "-o",
            "--output");
    private static final Set<String> PROCESS_FLAGS =
            Set.of("--trust-client", SUPERVISED, "-h", "--help", "-V", "--version");

    private ServeWords() {}

    /**
     * Splits a command line for serve at each +; another one stays whole. Options of the whole process may stand behind any
     * device, and go to the first group.
     */
    public static List<List<String>> groups(String[] args) {
        List<List<String>> groups = new ArrayList<>();
        groups.add(new ArrayList<>());
        for (int i = 0; i < args.length; i++) {
            if (args[i].equals(NEXT_DEVICE) && args[0].equals(ServeCommand.NAME)) {
                groups.add(new ArrayList<>());
                continue;
            }
            String name = args[i].replaceFirst("=.*", "");
            boolean ofProcess = PROCESS_FLAGS.contains(name) || PROCESS_OPTIONS.contains(name);
            List<String> group = ofProcess ? groups.getFirst() : groups.getLast();
            group.add(args[i]);
            if (PROCESS_OPTIONS.contains(args[i]) && i + 1 < args.length) {
                group.add(args[++i]);
            }
        }
        return groups;
    }

    /** Whether this is to be a process that has another one serve. */
    public static boolean isKeeper(String... args) {
        return List.of(args).contains(SUPERVISED) && !List.of(args).contains(Keeper.KEPT_BY);
    }

    /** What --help ends with. */
    public static String[] footer() {
        List<String> lines = new ArrayList<>(List.of("", "Devices:"));
        lines.addAll(new DeviceKinds().help());
        lines.addAll(MdevParentKinds.help());
        lines.addAll(List.of(
                "",
                "Examples:",
                "  vfio serve virtio-blk file=disk.img --socket-path /tmp/disk.sock",
                "  vfio serve virtio-blk memory=512M serial=SCRATCH queues=4 --socket-path /tmp/a.sock \\",
                "           + virtio-blk file=data.img readonly --socket-path /tmp/b.sock",
                "  vfio serve i40e-vf link=net0 --socket-path /tmp/a.sock \\",
                "           + i40e-vf link=net0 --socket-path /tmp/b.sock",
                "  vfio serve bluefield --address 0000:07:00.0 \\",
                "           + virtio-blk memory=64M --emulated-by 0000:07:00.0 --socket-path /tmp/a.sock",
                "  vfio serve --config machine.yaml",
                "  vfio serve mtty"));
        return lines.toArray(String[]::new);
    }
}
