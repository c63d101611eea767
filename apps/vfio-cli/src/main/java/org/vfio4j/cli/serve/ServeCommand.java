package org.vfio4j.cli.serve;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.config.MachineFile;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.control.ControlSocket;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.guest.RehearsalRequest;
import org.vfio4j.cli.keep.Keeper;
import org.vfio4j.cli.keep.KeptServer;
import org.vfio4j.cli.keep.Replacement;
import org.vfio4j.cli.keep.RestartLimit;
import org.vfio4j.cli.keep.ServerProgram;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.machine.MdevHost;
import org.vfio4j.cli.mdev.MdevDefinitionsOption;
import org.vfio4j.cli.process.Precedence;
import org.vfio4j.cli.process.StopSignal;
import org.vfio4j.cli.process.VmThread;
import org.vfio4j.cli.socket.InheritedSockets;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Output;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.upgrade.Rehearsal;
import org.vfio4j.cli.upgrade.Takeover;
import org.vfio4j.cli.upgrade.UpgradeSource;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
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
public final class ServeCommand implements Callable<Integer> {

    public static final String NAME = "serve";

    private static final int MOST_ENDS = 5;
    private static final Duration WITHIN = Duration.ofMinutes(1);
    private final List<List<String>> furtherDevices;
    private final List<String> arguments;
    private final Optional<Takeover> takeover;

    @Mixin
    private DeviceGroup first = new DeviceGroup();

    @Option(
            names = {"-f", "--config"},
            paramLabel = "FILE",
            description = "Serve the machine that this file describes, or shipped:bluefield; instead of devices.")
    private @Nullable String config;

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
            names = "--sysfs-fuse",
            paramLabel = "DIR",
            description =
                    "Mount a tree like /sys here, in which writes act: bind, unbind, create, remove, ... It needs FUSE.")
    private @Nullable Path sysfsFuse;

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

    @Option(
            names = ServeWords.SUPERVISED,
            description =
                    "Keep clients connected when the server dies, and start another one for them: virtio-blk and nvme.")
    private boolean supervised;

    @Option(names = Keeper.KEPT_BY, hidden = true)
    private @Nullable Path keptBy;

    @Mixin
    private OutputOption output = new OutputOption();

    private Optional<KeptServer> kept = Optional.empty();

    /**
     * @param furtherDevices the words behind each +
     * @param arguments the whole command line
     * @param takeover from another process, whose command line it is; empty for a new one
     */
    public ServeCommand(List<List<String>> furtherDevices, List<String> arguments, Optional<Takeover> takeover) {
        this.furtherDevices = furtherDevices;
        this.arguments = List.copyOf(arguments);
        this.takeover = takeover;
    }

    @Override
    public Integer call() throws Exception {
        if (print != null && !print.equals("qemu")) {
            throw CliException.usage("--print " + print + ": there is qemu", "--print qemu");
        }
        if (keptBy == null) {
            return supervised ? supervise() : serve();
        }
        try (KeptServer server = KeptServer.of(keptBy)) {
            kept = Optional.of(server);
            return serve();
        } finally {
            kept = Optional.empty();
        }
    }

    private int supervise() throws InterruptedException {
        if (run != null || sysfsFuse != null) {
            throw CliException.usage(
                    (run != null ? "--run" : "--sysfs-fuse") + " ends with its server: it does not go with "
                            + ServeWords.SUPERVISED,
                    "without it");
        }
        if (groups().stream().anyMatch(group -> group.fd() >= 0)) {
            throw CliException.usage(
                    "--fd is this process's, and its servers are others: it does not go with " + ServeWords.SUPERVISED,
                    "--socket-path");
        }
        List<String> program = new ArrayList<>(ServerProgram.own(arguments));
        program.addAll(arguments);
        StopSignal stop = StopSignal.install();
        try (Keeper keeper = new Keeper(program, new RestartLimit(MOST_ENDS, WITHIN), output.err())) {
            Thread.ofPlatform().daemon().name("stop").start(() -> {
                try {
                    stop.await();
                    keeper.stop();
                } catch (InterruptedException e) {
                    // The process ends.
                }
            });
            return keeper.run();
        }
    }

    private int serve() throws Exception {
        // All words are looked at before anything is opened.
        ServePlan plan = plan();
        VmThread.goFirst();
        VfioPciOptions options = vfioPciOptions(plan);
        StopSignal stop =
                kept.map(server -> StopSignal.installKept(server::tryReplace)).orElseGet(StopSignal::install);
        try (ServerDirectory directory = inDirectory(ServerDirectory::create);
                Machine machine = machine(options, plan)) {
            machine.setTakingOver(takeover.isPresent() || kept.isPresent());
            kept.ifPresent(machine::setKeeping);
            // Others read its name, from other directories.
            Path view = Optional.ofNullable(sysfs)
                    .or(() -> plan.options().sysfs())
                    .orElse(directory.sysfs())
                    .toAbsolutePath();
            plan.plugInto(machine, serverOptions(plan));
            if (takeover.isPresent()) {
                machine.mdevs().remember(definitions.definitions());
                takeOver(takeover.get(), machine);
            } else {
                machine.mdevs().startDefined(definitions.definitions());
            }
            kept.ifPresent(server -> begin(server, machine, directory, stop));
            return serve(plan, machine, directory, view, stop);
        }
    }

    private int serve(ServePlan plan, Machine machine, ServerDirectory directory, Path view, StopSignal stop)
            throws Exception {
        try {
            StorageCopies copies = new StorageCopies(machine);
            AtomicReference<SysfsMount> mounted = new AtomicReference<>(SysfsMount.none());
            Runnable gone = () -> {
                // The other process waits for both places.
                mounted.get().close();
                machine.hideView();
                stop.stop();
            };
            UpgradeSource upgrade = new UpgradeSource(
                    machine,
                    arguments,
                    () -> obstacle(machine, copies),
                    Rehearsal::whileServing,
                    gone,
                    Precedence::prepare);
            Function<String, Optional<ControlSocket.Conversation>> conversations =
                    line -> line.equals(ControlRequest.UPGRADE)
                            ? Optional.of(ControlSocket.Conversation.inPackets(upgrade::hold))
                            : replacement(line)
                                    .or(() -> RehearsalRequest.find(line))
                                    .or(() -> copies.find(line, upgrade::isRunning));
            try (ServerControl control =
                            inDirectory(() -> ServerControl.start(machine, directory, view, conversations));
                    SysfsMount mount = mount(machine, control, fuseDirectory(plan), view)) {
                mounted.set(mount);
                ServerState state = control.state();
                if (kept.filter(KeptServer::isSuccessor).isEmpty()) {
                    announce(state, Optional.of(machine.mdevs()), mount.directory());
                }
                return run == null ? stop.await() : stop.awaitOr(command(run, state));
            }
        } finally {
            // Its end is no end for its clients.
            kept.ifPresent(KeptServer::freeze);
        }
    }

    /** Who has taken over serves clients already, and goes on without a tree when there cannot be one. */
    private SysfsMount mount(Machine machine, ServerControl control, Optional<Path> directory, Path view) {
        try {
            return SysfsMount.open(machine, control, directory, view);
        } catch (CliException e) {
            if (takeover.isEmpty()) {
                throw e;
            }
            output.err().println("no tree: " + e.getMessage());
            return SysfsMount.none();
        }
    }

    private Optional<Path> fuseDirectory(ServePlan plan) {
        return Optional.ofNullable(sysfsFuse).or(() -> plan.options().sysfsFuse());
    }

    /** Why another process cannot take over from this one; empty when it can. */
    private Optional<String> obstacle(Machine machine, StorageCopies copies) {
        if (kept.isPresent()) {
            return Optional.of("it is supervised: another version's vfio upgrade has its keeper replace it");
        }
        if (copies.areUnderWay()) {
            return Optional.of("a guest takes its storage along, or brings it");
        }
        if (run != null) {
            return Optional.of("it ends with the command of --run");
        }
        Optional<MachineFunction> hardware =
                machine.functions().stream().filter(MachineFunction::isHardware).findFirst();
        if (hardware.isPresent()) {
            return Optional.of(hardware.get().name()
                    + " is hardware, which has no state to hand over and is reset when its process ends");
        }
        return machine.mdevs().services().stream()
                .filter(mdev -> !mdev.isMovable())
                .findFirst()
                .map(mdev -> "what is plugged into mdev " + mdev.name() + " of "
                        + mdev.device().parent().name() + " is its own: vfio mdev stop --uuid " + mdev.name());
    }

    /** One that its keeper replaces by another. */
    private Optional<ControlSocket.Conversation> replacement(String line) {
        return kept.filter(server -> line.equals(Replacement.REQUEST))
                .map(server -> Replacement.conversation(server, arguments));
    }

    private void begin(KeptServer server, Machine machine, ServerDirectory directory, StopSignal stop) {
        if (!machine.mdevs().bus().parents().isEmpty()) {
            throw new CliException(
                    ExitCode.UNSUPPORTED,
                    "mediated devices cannot go on after a crash: they do not go with " + ServeWords.SUPERVISED,
                    "vfio serve without " + ServeWords.SUPERVISED);
        }
        try {
            server.emulateAgain(machine);
            server.await(machine);
            server.begin(machine);
        } catch (ErrnoException e) {
            server.freeze();
            throw new CliException(e, "vfio serve without " + ServeWords.SUPERVISED);
        }
        directory.setSupervised();
        server.watch(stop::stop);
    }

    private void takeOver(Takeover from, Machine machine) {
        try (from) {
            long pauseNs = from.finish(machine, Precedence::prepare);
            output.err()
                    .printf(
                            Locale.ROOT,
                            "took over %d functions; their clients waited for %.1f ms%n",
                            from.offer().served(),
                            pauseNs / 1e6);
            from.awaitLeft();
        } catch (ErrnoException e) {
            // Over a channel without a peer nobody can say what it does.
            boolean alone = e.errno() == Errno.EPIPE || e.errno() == Errno.ECONNRESET;
            throw new CliException(
                    ExitCode.of(e.errno()), e.getMessage() + (alone ? "" : "; the other process serves on"), "vfio ls");
        }
    }

    private ServePlan plan() {
        DeviceKinds kinds = new DeviceKinds(takeover.map(Takeover::storage)
                .or(() -> kept.map(KeptServer::storage))
                .orElse(Storage.ANEW));
        if (config == null) {
            return DevicePlans.of(
                    groups(), kinds, takeover.map(Takeover::sockets).orElse(InheritedSockets.OWN));
        }
        if (!first.isEmpty() || !furtherDevices.isEmpty()) {
            throw CliException.usage(
                    "--config " + config + " describes all devices: no other goes with it",
                    "vfio config print " + config);
        }
        return new MachinePlan(MachineFile.read(config).machine(kinds));
    }

    private List<DeviceGroup> groups() {
        List<DeviceGroup> groups = new ArrayList<>(List.of(first));
        furtherDevices.forEach(words -> groups.add(DeviceGroup.parse(words)));
        return groups;
    }

    private Machine machine(VfioPciOptions options, ServePlan plan) {
        List<Path> all =
                Stream.concat(plan.options().facts().stream(), facts.stream()).toList();
        try {
            return new Machine(options, all, serverOptions(plan));
        } catch (ErrnoException e) {
            throw new CliException(e, "docs/users/facts.md, which says how such a file looks");
        }
    }

    private VfioUserServerOptions serverOptions(ServePlan plan) {
        return VfioUserServerOptions.DEFAULTS
                .withTrustClient(trustClient || plan.options().trustClient())
                .withReplaceable(kept.isPresent());
    }

    private VfioPciOptions vfioPciOptions(ServePlan plan) {
        try {
            return VfioPciOptions.parse(Stream.concat(plan.options().vfioPci().stream(), vfioPci.stream())
                    .toList());
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

    /** Tells what another process serves that has been started alike. */
    void announce(ServerState state) {
        announce(state, Optional.empty(), Optional.empty());
    }

    private void announce(ServerState state, Optional<MdevHost> mdevs, Optional<Path> mount) {
        PrintWriter out = output.out();
        if (print != null) {
            Announcement.printQemu(out, state);
        } else if (output.isJson()) {
            out.println(Output.jsonLine("Server", List.of(state), ServerState::write));
        } else {
            Announcement.print(out, state, mdevs, mount);
        }
        out.flush();
    }

    private static Process command(String line, ServerState state) throws IOException {
        ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-c", line).inheritIO();
        Map<String, String> environment = builder.environment();
        environment.put(
                "VFIO_SOCKET",
                state.functions().stream()
                        .filter(function -> !function.serving().equals(ServerState.Function.UNSERVED))
                        .map(ServerState.Function::socket)
                        .findFirst()
                        .orElse(""));
        return builder.start();
    }
}
