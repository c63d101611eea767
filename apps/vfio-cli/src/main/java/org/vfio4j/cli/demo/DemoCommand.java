package org.vfio4j.cli.demo;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.vfio4j.cli.inspect.TreeText;
import org.vfio4j.cli.load.DiskExercise;
import org.vfio4j.cli.state.QemuLine;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.Progress;
import org.vfio4j.cli.text.Table;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The main job on the shipped machine: its disks served, used, moved and taken over. */
@Command(
        name = "demo",
        description = {
            "Serves the disks of a DPU and uses them with a driver in Java; moves a guest that uses one to another server, and replaces"
                    + " that server under it. Or lets a guest in QEMU use them."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio demo", "  vfio demo --upgrades 50", "  vfio demo --vm"})
public final class DemoCommand implements Callable<Integer> {

    private static final long END_SECONDS = 2;
    private static final int MAX_UPGRADES = 1000;
    private static final int MAX_SECONDS = 86_400;

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Option(names = "--seconds", paramLabel = "N", description = "How long to read at random (default 1).")
    private double seconds = 1;

    @Option(
            names = "--upgrades",
            paramLabel = "N",
            description = "How often to replace the server, 1 to 1000; from 2 on, how the times scatter (default 1).")
    private int upgrades = 1;

    @Option(names = "--vm", description = "Let a virtual machine use the disks.")
    private boolean vm;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Limits.check("--upgrades", upgrades, 1, MAX_UPGRADES, "1");
        Limits.check("--seconds", seconds, 0, MAX_SECONDS, "1");
        Optional<GuestDemo> guest = vm ? Optional.of(GuestDemo.find()) : Optional.empty();
        PrintWriter out = spec.commandLine().getOut();
        Path directory = DemoDirectory.make();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> clearUp(directory))); // for signals
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(DemoServer.DISK_BYTES);
        }
        try (DemoServer server = DemoServer.start(directory.resolve("1"), image, false)) {
            ServerState state = server.awaitState();
            out.println(
                    "A BlueField-2 DPU that emulates two disks (SNAP); mlx5-vfio-pci has them, and they are served over vfio-user:");
            out.println();
            out.println("  $ " + server.process().line());
            TreeText.of(state, TreeText.terminal()).lines().forEach(line -> out.println("  " + line));
            out.println();
            out.flush();
            List<ServerState.Function> disks = DemoServer.disks(state);
            if (guest.isPresent()) {
                guest.get().run(disks, out);
            } else {
                drive(disks, out);
                new DemoMove(directory, image, upgrades, out).run(server);
            }
        } catch (RuntimeException | IOException e) {
            throw DemoDirectory.explain(e, directory);
        }
        printNext(out);
        return ExitCode.OK;
    }

    private void drive(List<ServerState.Function> functions, PrintWriter out) {
        out.println("The virtio-blk driver in Java uses them over the vfio-user client, through shared memory:");
        out.println();
        Table table = new Table("  DISK", "SERIAL", "WORK", "REQUESTS", "RATE", "THROUGHPUT");
        for (ServerState.Function function : functions) {
            VirtioBlkOptions options = VirtioBlkOptions.DEFAULTS.withBufferBytes(DiskExercise.bufferBytes());
            try (VfioUserClient client =
                            VfioUserClient.connect(Path.of(function.socket()), VfioUserClientOptions.DEFAULTS);
                    VirtioBlkDriver driver = VirtioBlkDriver.open(client, options)) {
                exercise(function, driver, table);
            }
        }
        out.print(table);
        out.println();
        out.println("Every byte was written, flushed, read back and found right.");
    }

    private void exercise(ServerState.Function function, VirtioBlkDriver driver, Table table) {
        DiskExercise exercise = new DiskExercise(driver);
        long capacity = driver.capacityBytes();
        long durationNs = (long) (seconds * 1e9);
        DiskExercise.Result filled = shown(function, "fill", capacity, exercise::fill);
        row(table, function, driver, "fill 128 KiB, QD 32", filled);
        DiskExercise.Result verified = shown(function, "verify", capacity, exercise::verify);
        row(table, function, driver, "verify 128 KiB, QD 32", verified);
        DiskExercise.Result random =
                shown(function, "random read", Math.max(durationNs, 1), p -> exercise.readAtRandom(durationNs, p));
        row(table, function, driver, "random read 4 KiB, QD 32", random);
    }

    private interface Work {
        DiskExercise.Result run(LongConsumer progress);
    }

    private DiskExercise.Result shown(ServerState.Function function, String what, long total, Work work) {
        try (Progress progress = new Progress(spec.commandLine().getErr(), function.vfioDevice() + " " + what, total)) {
            return work.run(progress::at);
        }
    }

    private static void row(
            Table table,
            ServerState.Function function,
            VirtioBlkDriver driver,
            String work,
            DiskExercise.Result result) {
        table.row(
                "  " + function.vfioDevice(),
                driver.serial(),
                work,
                Long.toString(result.requests()),
                String.format(Locale.ROOT, "%,.0f/s", result.perSecond()),
                String.format(Locale.ROOT, "%,.0f MiB/s", result.mibPerSecond()));
    }

    private void printNext(PrintWriter out) {
        out.println();
        out.println("To use a disk in a virtual machine (QEMU 10.1 or newer), serve one:");
        out.println("  vfio serve virtio-blk memory=512M --socket-path /tmp/disk.sock");
        out.println("and add to QEMU's command line:");
        out.println("  " + QemuLine.MEMORY);
        out.println("  " + QemuLine.device("/tmp/disk.sock"));
        if (!vm) {
            out.println();
            out.println("next: vfio demo --vm");
        }
        out.flush();
    }

    /** At the end of this process, whatever ends it. */
    private static void clearUp(Path directory) {
        List<ProcessHandle> children = ProcessHandle.current().children().toList();
        children.forEach(ProcessHandle::destroy);
        List<CompletableFuture<ProcessHandle>> ends = children.stream()
                .map(child -> child.onExit().completeOnTimeout(child, END_SECONDS, TimeUnit.SECONDS))
                .toList();
        ends.forEach(CompletableFuture::join);
        // A guest whose server has gone first waits for its disk, for longer than anybody wants to wait here.
        children.forEach(ProcessHandle::destroyForcibly);
        try {
            deleteTree(directory);
        } catch (IOException | UncheckedIOException e) {
            System.getLogger(DemoCommand.class.getName())
                    .log(System.Logger.Level.DEBUG, "{0} stays: {1}", directory, e.toString());
        }
    }

    private static void deleteTree(Path top) throws IOException {
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(top)) {
            paths = new ArrayList<>(walk.toList());
        }
        for (Path path : paths.reversed()) {
            Files.deleteIfExists(path);
        }
    }
}
