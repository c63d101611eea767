package org.vfio4j.cli;

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
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The main job on an embedded default: a machine, its disks served, and a driver or a guest that uses them. */
@Command(
        name = "demo",
        description = "Serves two disks and uses them: with a driver in Java, or with a guest in QEMU.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio demo", "  vfio demo --size 1G --seconds 5", "  vfio demo --vm"})
final class DemoCommand implements Callable<Integer> {

    private static final long FILE_BYTES = 64L << 20;

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Option(names = "--size", paramLabel = "SIZE", description = "Of the disk in memory (default 256M).")
    private String size = "256M";

    @Option(names = "--seconds", paramLabel = "N", description = "How long to read at random (default 2).")
    private double seconds = 2;

    @Option(names = "--vm", description = "Let a virtual machine use the disks.")
    private boolean vm;

    @Override
    public Integer call() throws IOException, InterruptedException {
        long sizeBytes = Sizes.parse("--size", size);
        Optional<GuestDemo> guest = vm ? Optional.of(GuestDemo.find()) : Optional.empty();
        Path directory = Files.createTempDirectory("vfio4j-demo");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> deleteQuietly(directory))); // for ^C
        try (Machine machine = new Machine()) {
            List<ServerState.Function> functions = serveDisks(machine, directory, sizeBytes);
            PrintWriter out = spec.commandLine().getOut();
            out.println("A machine with two PCI functions, bound to vfio-pci and served over vfio-user:");
            out.println();
            out.println(TreeText.of("pci0000:00", functions, TreeText.terminal()));
            out.flush();
            if (guest.isPresent()) {
                guest.get().run(functions, out);
            } else {
                drive(functions, out);
            }
            printNext(out);
            return ExitCode.OK;
        } finally {
            deleteTree(directory);
        }
    }

    private static List<ServerState.Function> serveDisks(Machine machine, Path directory, long sizeBytes)
            throws IOException {
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(Math.min(FILE_BYTES, sizeBytes));
        }
        List<MachineFunction> disks = List.of(
                machine.add(VirtioBlkKind.memory(sizeBytes, 1, "DEMO-MEMORY")),
                machine.add(VirtioBlkKind.file(image, "DEMO-FILE")));
        List<ServerState.Function> functions = new ArrayList<>();
        for (MachineFunction disk : disks) {
            Path socket = directory.resolve("disk" + functions.size() + ".sock");
            disk.serve(new Endpoint.AtPath(socket), VfioUserServerOptions.DEFAULTS);
            functions.add(disk.state());
        }
        return functions;
    }

    private void drive(List<ServerState.Function> functions, PrintWriter out) {
        out.println("The virtio-blk driver in Java, over the vfio-user client, through shared memory:");
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

    private static void deleteQuietly(Path top) {
        try {
            if (Files.exists(top)) {
                deleteTree(top);
            }
        } catch (IOException | UncheckedIOException e) {
            System.getLogger(DemoCommand.class.getName())
                    .log(System.Logger.Level.DEBUG, "{0} stays: {1}", top, e.toString());
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
