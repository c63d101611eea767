package org.vfio4j.cli.demo;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.cli.process.ParentPipe;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;

/**
 * This program once more, in a process of its own that prints to a file. Whoever starts it closes it; it ends with this process, however that
 * one ends.
 */
final class VfioProcess implements AutoCloseable {

    /** By name: what it starts is above all commands. */
    private static final String MAIN = "org.vfio4j.cli.Main";

    private static final long LOOK_NS = 10_000_000;
    private static final long PATIENCE_S = 30;

    private final String line;
    private final Path printed;
    private final Process process;

    private VfioProcess(String line, Path printed, Process process) {
        this.line = line;
        this.printed = printed;
        this.process = process;
    }

    /** @param directory where it runs, and what it prints goes */
    static VfioProcess start(Path directory, String... words) {
        List<String> command = new ArrayList<>(ownCommand());
        command.add(1, ParentPipe.OPTION);
        command.addAll(List.of(words));
        try {
            Path printed = Files.createTempFile(directory, words[0], ".log");
            Process process = new ProcessBuilder(command)
                    .directory(directory.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(printed.toFile())
                    .start();
            return new VfioProcess("vfio " + String.join(" ", words), printed, process);
        } catch (IOException e) {
            throw ErrnoException.of(e, "start vfio " + words[0]);
        }
    }

    /** As a user would type it. */
    String line() {
        return line;
    }

    long pid() {
        return process.pid();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /**
     * Waits until it has printed a line with these words.
     *
     * @return the line
     * @throws CliException with what it has printed, when it ends without
     */
    String await(String words) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (true) {
            boolean over = !process.isAlive() || System.nanoTime() > deadline;
            String text = printed();
            int end = text.lastIndexOf('\n');
            for (String each : text.substring(0, Math.max(end, 0)).split("\n", -1)) {
                if (each.contains(words)) {
                    return each;
                }
            }
            if (over) {
                throw failure("does not say '" + words + "'");
            }
            LockSupport.parkNanos(LOOK_NS);
        }
    }

    /** Waits for its end. Returns what it has printed. */
    String awaitEnd() throws InterruptedException {
        if (!process.waitFor(PATIENCE_S, TimeUnit.SECONDS)) {
            throw failure("does not end");
        }
        if (process.exitValue() != ExitCode.OK) {
            throw failure("ends with exit code " + process.exitValue());
        }
        return printed().strip();
    }

    /** Tells it to end, and waits for that. Returns what it has printed. */
    String stop() throws InterruptedException {
        process.destroy();
        return awaitEnd();
    }

    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(PATIENCE_S, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }

    private CliException failure(String what) {
        return new CliException(
                ExitCode.FAILED, "'" + line + "' " + what + ": " + printed().strip(), line + ", alone");
    }

    private String printed() {
        try {
            return Files.readString(printed);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How this process was started, up to the words of its user; on a class path when tests have started it. */
    private static List<String> ownCommand() {
        ProcessHandle.Info own = ProcessHandle.current().info();
        List<String> arguments = List.of(own.arguments().orElse(new String[0]));
        int module = arguments.indexOf("-m");
        List<String> command = new ArrayList<>();
        if (module >= 0 && own.command().isPresent()) {
            command.add(own.command().get());
            command.addAll(arguments.subList(0, module + 2));
        } else {
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.addAll(List.of("-XX:+UseSerialGC", "-Xmx256m", "--enable-native-access=ALL-UNNAMED"));
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), MAIN));
        }
        return command;
    }
}
