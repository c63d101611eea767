package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The command line in a process of its own, which prints to files. */
public final class CliProcess implements AutoCloseable {

    private static final long PATIENCE_NS = 120_000_000_000L;

    private final List<String> arguments;
    private final Process process;
    private final Path out;
    private final Path err;

    /** @param directory for what it prints, and where processes find each other */
    public CliProcess(Path directory, String... arguments) {
        this(directory, List.of(), arguments);
    }

    /** One that another program becomes, which gets the rest as its last arguments. */
    public static CliProcess under(Path directory, List<String> program, String... arguments) {
        return new CliProcess(directory, program, arguments);
    }

    private CliProcess(Path directory, List<String> program, String... arguments) {
        this.arguments = List.of(arguments);
        List<String> command = new ArrayList<>(program);
        command.addAll(TestJvm.command(Main.class));
        command.addAll(this.arguments);
        try {
            out = Files.createTempFile(directory, "out", "");
            err = Files.createTempFile(directory, "err", "");
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
            builder.environment().put("XDG_RUNTIME_DIR", directory.toString());
            process = builder.start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public String out() {
        return read(out);
    }

    public String err() {
        return read(err);
    }

    /** Waits for words on standard error. Returns what follows them on their line. */
    public String awaitErr(String words) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (true) {
            for (String line : err().split("\n", -1)) {
                int at = line.indexOf(words);
                if (at >= 0 && err().contains(line + "\n")) {
                    return line.substring(at + words.length());
                }
            }
            assertThat(process.isAlive() && System.nanoTime() < deadline)
                    .as("'%s' of %s", words, this)
                    .isTrue();
            pause();
        }
    }

    public long pid() {
        return process.pid();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    public void signal(String name) {
        try {
            new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                    .start()
                    .waitFor();
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** SIGSTOP; returns when each thread stands still, which a signal alone does not wait for. */
    public void freeze() {
        signal("STOP");
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!isFrozen()) {
            assertThat(System.nanoTime()).as("%s stands still", this).isLessThan(deadline);
            pause();
        }
    }

    private boolean isFrozen() {
        try (Stream<Path> threads = Files.list(Path.of("/proc", Long.toString(process.pid()), "task"))) {
            for (Path thread : (Iterable<Path>) threads::iterator) {
                String stat = Files.readString(thread.resolve("stat"));
                if (stat.charAt(stat.lastIndexOf(')') + 2) != 'T') {
                    return false;
                }
            }
            return true;
        } catch (IOException e) {
            return false; // a thread has ended meanwhile
        }
    }

    public int exitCode() {
        try {
            assertThat(process.waitFor(PATIENCE_NS, TimeUnit.NANOSECONDS))
                    .as("the end of %s", this)
                    .isTrue();
            return process.exitValue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    @Override
    public String toString() {
        return String.join(" ", arguments) + ":\n" + out() + err();
    }

    public static void pause() {
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
