package org.vfio4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Serves devices until it is told to stop. */
@Command(
        name = ServeCommand.NAME,
        description = "Serves devices over vfio-user, until SIGTERM. More devices follow, each behind a +.",
        mixinStandardHelpOptions = true)
final class ServeCommand implements Callable<Integer> {

    static final String NAME = "serve";

    private static final String NEXT_DEVICE = "+";
    private static final Set<String> PROCESS_OPTIONS =
            Set.of("--sysfs", "--run", "--print", "--vfio-pci", "--facts", "--definitions", "-o", "--output");
    private static final Set<String> PROCESS_FLAGS = Set.of("--trust-client", "-h", "--help", "-V", "--version");

    private final List<List<String>> furtherDevices;

    @Mixin
    private DeviceGroup first = new DeviceGroup();

    @Option(
            names = "--trust-client",
            description = "Map memory that the client could shrink, which would end this process.")
    private boolean trustClient;

    @Option(
            names = "--sysfs",
            paramLabel = "DIR",
            description = "Keep a directory like /sys/bus/pci here (default: in the runtime directory).")
    private @Nullable Path sysfs;

    @Option(
            names = "--run",
            paramLabel = "COMMAND",
            description = "Run this in a shell, with VFIO_SOCKET set, and end with its exit code.")
    private @Nullable String run;

    @Option(
            names = "--vfio-pci",
            paramLabel = "OPTION[=VALUE]",
            description =
                    "An option of the driver vfio-pci, as a module's: ids=VENDOR:DEVICE[,...], nointxmask, disable_vga,"
                            + " disable_idle_d3, enable_sriov, disable_denylist.")
    private List<String> vfioPci = List.of();

    @Option(
            names = "--facts",
            paramLabel = "FILE",
            description = "What is known of functions by their ids, or a directory of *.facts; behind what is shipped.")
    private List<Path> facts = List.of();

    @Mixin
    private MdevDefinitionsOption definitions = new MdevDefinitionsOption();

    @Option(names = "--print", paramLabel = "qemu", description = "Print only QEMU's options, for scripts.")
    private @Nullable String print;

    @Mixin
    private OutputOption output = new OutputOption();

    /** @param furtherDevices the words behind each + */
    ServeCommand(List<List<String>> furtherDevices) {
        this.furtherDevices = furtherDevices;
    }

    /**
     * Splits a command line for serve at each +; another one stays whole. Options of the whole process may stand behind any
     * device, and go to the first group.
     */
    static List<List<String>> groups(String[] args) {
        List<List<String>> groups = new ArrayList<>();
        groups.add(new ArrayList<>());
        for (int i = 0; i < args.length; i++) {
            if (args[i].equals(NEXT_DEVICE) && args[0].equals(NAME)) {
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

    /** What --help ends with. */
    static String[] footer() {
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
                "  vfio serve mtty"));
        return lines.toArray(String[]::new);
    }

    @Override
    public Integer call() throws Exception {
        if (print != null && !print.equals("qemu")) {
            throw CliException.usage("--print " + print + ": there is qemu", "--print qemu");
        }
        List<DeviceGroup> groups = new ArrayList<>(List.of(first));
        furtherDevices.forEach(words -> groups.add(DeviceGroup.parse(words)));
        // All words are looked at before anything is opened.
        DeviceKinds kinds = new DeviceKinds();
        List<DevicePlan> plans = new ArrayList<>();
        List<MdevParentKind.Plan> parents = new ArrayList<>();
        groups.removeIf(group -> group.parentPlan().map(parents::add).isPresent());
        for (DeviceGroup group : groups) {
            plans.add(group.plan(kinds));
            group.socketPath();
            group.address();
        }
        VfioPciOptions options = vfioPciOptions();
        StopSignal stop = StopSignal.install();
        try (ServerDirectory directory = inDirectory(ServerDirectory::create);
                Machine machine = machine(options)) {
            // Others read its name, from other directories.
            Path view = Optional.ofNullable(sysfs).orElse(directory.sysfs()).toAbsolutePath();
            for (int i = 0; i < groups.size(); i++) {
                start(machine, groups.get(i), plans.get(i));
            }
            startMdevs(machine, parents);
            try (ServerControl control = inDirectory(() -> ServerControl.start(machine, directory, view))) {
                ServerState state = control.state();
                announce(state, machine.mdevs());
                return run == null ? stop.await() : stop.awaitOr(command(run, state));
            }
        }
    }

    private Machine machine(VfioPciOptions options) {
        try {
            return new Machine(options, facts);
        } catch (ErrnoException e) {
            throw new CliException(e, "docs/users/facts.md, which says how such a file looks");
        }
    }

    private VfioPciOptions vfioPciOptions() {
        try {
            return VfioPciOptions.parse(vfioPci);
        } catch (ErrnoException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "vfio serve --help");
        }
    }

    private static <T> T inDirectory(Supplier<T> work) {
        try {
            return work.get();
        } catch (ErrnoException e) {
            throw new CliException(e, ServerDirectory.hint(e));
        }
    }

    private void start(Machine machine, DeviceGroup group, DevicePlan plan) {
        VfioUserServerOptions options = VfioUserServerOptions.DEFAULTS.withTrustClient(trustClient);
        MachineFunction function = add(machine, group, plan);
        Optional<Path> path = group.socketPath();
        if (path.isEmpty()) {
            function.serve(new Endpoint.Inherited(inherited(group.fd())), options);
            return;
        }
        try {
            function.serve(new Endpoint.AtPath(path.get()), options);
        } catch (ErrnoException e) {
            throw new CliException(e, socketHint(e.errno(), path.get()));
        }
    }

    private void startMdevs(Machine machine, List<MdevParentKind.Plan> parents) {
        machine.mdevs().setOptions(VfioUserServerOptions.DEFAULTS.withTrustClient(trustClient));
        try {
            parents.forEach(machine.mdevs()::add);
        } catch (ErrnoException e) {
            throw new CliException(e, "each parent once");
        }
        if (!parents.isEmpty()) {
            machine.mdevs().startDefined(definitions.definitions());
        }
    }

    private static MachineFunction add(Machine machine, DeviceGroup group, DevicePlan plan) {
        try {
            return machine.add(plan, group.address(), group.driver());
        } catch (ErrnoException e) {
            throw new CliException(
                    e,
                    switch (e.errno()) {
                        case Errno.EEXIST -> "another --address, or none";
                        case Errno.ENODEV -> "vfio drivers";
                        default -> "vfio serve --help";
                    });
        }
    }

    private static String socketHint(int errno, Path path) {
        return switch (errno) {
            case Errno.EADDRINUSE -> "vfio ls, to see who serves there, or another --socket-path";
            case Errno.EEXIST -> "another --socket-path: what is there is not removed";
            case Errno.ENAMETOOLONG ->
                "a path of at most " + UnixSocket.MAX_PATH_BYTES
                        + " bytes, or cd to its directory and give the file name";
            case Errno.ENOENT -> "mkdir -p " + path.toAbsolutePath().getParent();
            default -> "ls -ld " + path.toAbsolutePath().getParent();
        };
    }

    private static Fd inherited(int number) {
        String hint = "a socket that listens, as systemd or 'socat' would pass it";
        if (number < 3) {
            throw CliException.usage("--fd " + number + ": an inherited descriptor is 3 or more", hint);
        }
        Fd fd = Fd.own(number);
        try {
            if (FileStat.of(fd).isSocket()) {
                return fd;
            }
        } catch (ErrnoException e) {
            throw new CliException(ExitCode.NOT_FOUND, "--fd " + number + ": " + e.getMessage(), hint);
        }
        throw CliException.usage("--fd " + number + " is no socket", hint);
    }

    private void announce(ServerState state, MdevHost mdevs) {
        PrintWriter out = output.out();
        if (print != null) {
            out.print(QemuLine.MEMORY);
            state.functions().stream()
                    .filter(function -> !function.socket().isEmpty())
                    .forEach(function -> out.print(" " + QemuLine.device(function.socket())));
            out.println();
        } else if (output.isJson()) {
            out.println(Output.jsonLine("Server", List.of(state), ServerState::write));
        } else {
            for (ServerState.Function function : state.functions()) {
                String where = function.socket().isEmpty() ? "an inherited socket" : function.socket();
                out.println("listening on " + where + ": " + function.address() + " " + function.kind() + ", "
                        + function.description());
            }
            announce(mdevs, out);
            out.println("qemu: " + QemuLine.MEMORY);
            state.functions().stream()
                    .filter(function -> !function.socket().isEmpty())
                    .forEach(function -> out.println("      " + QemuLine.device(function.socket())));
            mdevs.states().forEach(mdev -> out.println("      " + QemuLine.device(mdev.socket())));
            out.println("lspci: lspci -A linux-sysfs -O sysfs.path=" + state.sysfs() + " -vv");
        }
        out.flush();
    }

    private static void announce(MdevHost mdevs, PrintWriter out) {
        for (MdevState mdev : mdevs.states()) {
            out.println(
                    "listening on " + mdev.socket() + ": " + mdev.uuid() + " " + mdev.type() + " of " + mdev.parent());
        }
        for (MdevTypeState type : mdevs.types()) {
            out.println("mdev type " + type.type() + " of " + type.parent() + ": " + type.availableInstances()
                    + " available, " + type.name());
        }
    }

    private static Process command(String line, ServerState state) throws IOException {
        ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-c", line).inheritIO();
        Map<String, String> environment = builder.environment();
        state.functions().stream().findFirst().ifPresent(function -> environment.put("VFIO_SOCKET", function.socket()));
        return builder.start();
    }
}
