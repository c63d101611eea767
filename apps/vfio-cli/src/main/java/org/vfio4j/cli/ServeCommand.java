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
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Serves devices until it is told to stop. */
@Command(
        name = "serve",
        description = "Serves devices over vfio-user, until SIGTERM. More devices follow, each behind a +.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio serve virtio-blk file=disk.img --socket-path /tmp/disk.sock",
            "  vfio serve virtio-blk memory=512M serial=SCRATCH queues=4 --socket-path /tmp/a.sock \\",
            "           + virtio-blk file=data.img readonly --socket-path /tmp/b.sock"
        })
final class ServeCommand implements Callable<Integer> {

    private static final String NEXT_DEVICE = "+";
    private static final Set<String> PROCESS_OPTIONS = Set.of("--sysfs", "--run", "--print", "-o", "--output");
    private static final Set<String> PROCESS_FLAGS = Set.of("--trust-client", "-h", "--help", "-V", "--version");

    private final List<List<String>> furtherDevices;

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

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

    @Option(names = "--print", paramLabel = "qemu", description = "Print only QEMU's options, for scripts.")
    private @Nullable String print;

    @Option(
            names = {"-o", "--output"},
            description = "table or json (default table).")
    private Output.Format output = Output.Format.TABLE;

    /** A device that listens. */
    private record Served(Machine.Disk disk, ServerState.Function state) {}

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
            if (args[i].equals(NEXT_DEVICE) && args[0].equals("serve")) {
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

    @Override
    public Integer call() throws Exception {
        if (print != null && !print.equals("qemu")) {
            throw CliException.usage("--print " + print + ": there is qemu", "--print qemu");
        }
        List<DeviceGroup> groups = new ArrayList<>(List.of(first));
        furtherDevices.forEach(words -> groups.add(DeviceGroup.parse(words)));
        // All words are looked at before anything is opened.
        List<DiskSettings> settings = new ArrayList<>();
        for (DeviceGroup group : groups) {
            settings.add(group.settings());
            group.socketPath();
            group.address();
        }
        StopSignal stop = StopSignal.install();
        try (ServerDirectory directory = ServerDirectory.create();
                Machine machine = new Machine()) {
            Path view = Optional.ofNullable(sysfs).orElse(directory.sysfs());
            List<Served> served = new ArrayList<>();
            for (int i = 0; i < groups.size(); i++) {
                served.add(start(machine, groups.get(i), settings.get(i)));
            }
            machine.showIn(view);
            ServerState state = new ServerState(
                    ProcessHandle.current().pid(),
                    view.toString(),
                    served.stream().map(Served::state).toList());
            announce(state);
            directory.publish(state);
            return run == null ? stop.await() : stop.awaitOr(command(run, state));
        }
    }

    private Served start(Machine machine, DeviceGroup group, DiskSettings settings) {
        VfioUserServerOptions options = VfioUserServerOptions.DEFAULTS.withTrustClient(trustClient);
        Machine.Disk disk = add(machine, group, settings);
        String socket =
                group.socketPath().map(path -> path.toAbsolutePath().toString()).orElse("");
        ServerState.Function state = state(machine, disk, socket);
        if (group.socketPath().isPresent()) {
            listen(machine, disk, group.socketPath().get(), options);
        } else {
            machine.serve(disk, inherited(group.fd()), options);
        }
        return new Served(disk, state);
    }

    private static Machine.Disk add(Machine machine, DeviceGroup group, DiskSettings settings) {
        try {
            return machine.add(settings, group.address(), group.driver());
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

    private static ServerState.Function state(Machine machine, Machine.Disk disk, String socket) {
        try (LocalDeviceFile file = machine.open(disk)) {
            return ServerState.function(disk, file, socket);
        }
    }

    private static void listen(Machine machine, Machine.Disk disk, Path path, VfioUserServerOptions options) {
        try {
            machine.serve(disk, path, options);
        } catch (ErrnoException e) {
            throw new CliException(e, socketHint(e.errno(), path));
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

    private void announce(ServerState state) {
        PrintWriter out = spec.commandLine().getOut();
        if (print != null) {
            out.print(QemuLine.MEMORY);
            state.functions().stream()
                    .filter(function -> !function.socket().isEmpty())
                    .forEach(function -> out.print(" " + QemuLine.device(function.socket())));
            out.println();
        } else if (output == Output.Format.JSON) {
            out.println(Output.jsonLine("Server", List.of(state)));
        } else {
            for (ServerState.Function function : state.functions()) {
                String where = function.socket().isEmpty() ? "an inherited socket" : function.socket();
                out.println("listening on " + where + ": " + function.address() + " " + function.kind() + ", "
                        + function.description());
            }
            out.println("qemu: " + QemuLine.MEMORY);
            state.functions().stream()
                    .filter(function -> !function.socket().isEmpty())
                    .forEach(function -> out.println("      " + QemuLine.device(function.socket())));
            out.println("lspci: lspci -A linux-sysfs -O sysfs.path=" + state.sysfs() + " -vv");
        }
        out.flush();
    }

    private static Process command(String line, ServerState state) throws IOException {
        ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-c", line).inheritIO();
        Map<String, String> environment = builder.environment();
        environment.put("VFIO_SOCKET", state.functions().getFirst().socket());
        return builder.start();
    }
}
