package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/** A real {@code vfio serve} in a process of its own. Used by the test's thread only. */
final class VfioProcess implements AutoCloseable {

    private static final Duration START = Duration.ofSeconds(90);
    private static final int STOP_LIMIT_S = 60;
    private static final String MAIN = "org.vfio4j.cli/org.vfio4j.cli.Main";

    /** What {@code ./vfio} runs too. */
    private static final Path JARS = Path.of(System.getProperty("basedir", "."), "../../apps/vfio-cli/target/lib")
            .normalize();

    private final Process process;
    private final Console console;
    private boolean ended;

    private VfioProcess(Process process) {
        this.process = process;
        this.console = new Console("vfio serve (pid " + process.pid() + ")", process.getInputStream());
    }

    static Builder server() {
        return new Builder();
    }

    static final class Builder {
        private final List<String> arguments = new ArrayList<>(List.of("serve"));
        private final List<Path> sockets = new ArrayList<>();

        /** One more virtio-blk device with these {@code key=value} settings. */
        Builder disk(Path socket, String... settings) {
            return device("virtio-blk", socket, settings);
        }

        /** One more device of some kind with these {@code key=value} settings. */
        Builder device(String kind, Path socket, String... settings) {
            if (!sockets.isEmpty()) {
                arguments.add("+");
            }
            arguments.add(kind);
            arguments.addAll(List.of(settings));
            arguments.addAll(List.of("--socket-path", socket.toString()));
            sockets.add(socket);
            return this;
        }

        Builder option(String... option) {
            arguments.addAll(List.of(option));
            return this;
        }

        /** Starts it and returns once it listens on all sockets. */
        VfioProcess start() {
            VfioProcess server = vfio(arguments);
            try {
                for (Path socket : sockets) {
                    server.console.await(
                            "word that it listens on " + socket,
                            line -> line.contains("listening") && line.contains(socket.toString()),
                            START);
                }
                return server;
            } catch (AssertionError e) {
                server.close();
                throw e;
            }
        }
    }

    /** A command about one function, which must end well. Returns the line that it says of the function. */
    static String run(String... arguments) {
        try (VfioProcess command = vfio(List.of(arguments))) {
            String line = command.awaitLine("0000:", START);
            assertThat(command.awaitExit()).as("exit code of %s", command).isZero();
            command.ended = true;
            return line;
        }
    }

    /** How many interrupts a function of some server has asserted, by the server's own statistics. */
    static int interrupts(Path socket) {
        try (VfioProcess statistics = vfio(List.of("stat", socket.toString(), "-o", "json"))) {
            String line = statistics.awaitLine("\"interrupts\"", START);
            statistics.expectEnd();
            return Integer.parseInt(line.replaceAll("\\D", ""));
        }
    }

    /** Another command, which may go on for long. */
    static VfioProcess start(List<String> arguments) {
        return vfio(arguments);
    }

    long pid() {
        return process.pid();
    }

    /** It ends by itself, and well. */
    void expectEnd() {
        assertThat(awaitExit()).as("exit code of %s", console).isZero();
        assertThat(console.hasPrinted("Exception"))
                .as("a stack trace from %s", console)
                .isFalse();
        ended = true;
    }

    private static VfioProcess vfio(List<String> arguments) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-Xmx256m",
                "--enable-native-access=org.vfio4j.sys",
                "-p",
                JARS.toString(),
                "-m",
                MAIN));
        command.addAll(arguments);
        try {
            return new VfioProcess(
                    new ProcessBuilder(command).redirectErrorStream(true).start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What a supervised server's keeper has started: the only one, as another may not have ended yet. */
    ProcessHandle supervised() {
        long deadline = System.nanoTime() + START.toNanos();
        List<ProcessHandle> children = process.toHandle().children().toList();
        while (children.size() != 1) {
            assertThat(System.nanoTime())
                    .as("%s servers of %s", children.size(), console)
                    .isLessThan(deadline);
            LockSupport.parkNanos(20_000_000);
            children = process.toHandle().children().toList();
        }
        return children.getFirst();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    String awaitLine(String part, Duration limit) {
        return console.await("line with '" + part + "'", line -> line.contains(part), limit);
    }

    String awaitAny(List<String> parts, Duration limit) {
        return console.await("line with any of " + parts, line -> parts.stream().anyMatch(line::contains), limit);
    }

    /** Whether the process has this file in its address space. */
    boolean maps(Path file) {
        try {
            return Files.readString(Path.of("/proc/" + process.pid() + "/maps")).contains(file.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How much memory of others it has pinned, as io_uring counts it. */
    long pinnedKib() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + process.pid() + "/status"))) {
            return lines.filter(line -> line.startsWith("VmPin:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How many threads it has whose names begin so. */
    long threads(String prefix) {
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + process.pid() + "/task"))) {
            return tasks.filter(task -> name(task).startsWith(prefix)).count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String name(Path task) {
        try {
            return Files.readString(task.resolve("comm"));
        } catch (IOException e) {
            return ""; // it has ended
        }
    }

    /** SIGTERM: the process must have run until now, without a stack trace, and must end cleanly. */
    void stop() {
        assertThat(process.isAlive()).as("%s is alive", console).isTrue();
        // Process.destroy would close its output, of which all is to be read.
        process.toHandle().destroy();
        assertThat(awaitExit()).as("exit code of %s", console).isZero();
        assertThat(console.hasPrinted("Exception"))
                .as("a stack trace from %s", console)
                .isFalse();
        ended = true;
    }

    /** SIGKILL. */
    void kill() {
        ended = true;
        process.destroyForcibly();
        awaitExit();
    }

    private int awaitExit() {
        try {
            assertThat(process.waitFor(STOP_LIMIT_S, TimeUnit.SECONDS))
                    .as("%s has ended", console)
                    .isTrue();
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /** Ends it however the test went; when that was badly, what it printed is part of the story. */
    @Override
    public void close() {
        if (!ended) {
            System.err.println(console);
        }
        process.destroyForcibly();
    }

    @Override
    public String toString() {
        return console.toString();
    }
}
