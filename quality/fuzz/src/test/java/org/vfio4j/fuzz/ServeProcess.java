package org.vfio4j.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/** {@code vfio serve} with two disks in memory, in a process of its own. Used by one thread. */
final class ServeProcess implements AutoCloseable {

    private static final long START_NS = 60_000_000_000L;
    private static final int STOP_S = 30;

    private final Path output;
    private final Process process;

    /** Starts it, and returns when both sockets listen. */
    ServeProcess(Path directory, Path one, Path other) throws IOException {
        output = directory.resolve("output");
        process = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xmx256m",
                        "-classpath",
                        System.getProperty("java.class.path"),
                        "org.vfio4j.cli.Main",
                        "serve",
                        "virtio-blk",
                        "memory=1M",
                        "--socket-path",
                        one.toString(),
                        "+",
                        "virtio-blk",
                        "memory=1M",
                        "--socket-path",
                        other.toString()))
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        long deadline = System.nanoTime() + START_NS;
        while (!Files.exists(one) || !Files.exists(other)) {
            if (!process.isAlive() || System.nanoTime() > deadline) {
                process.destroyForcibly();
                throw new AssertionError("vfio serve does not start: " + printed());
            }
            LockSupport.parkNanos(10_000_000);
        }
    }

    /** Open descriptors of the process. */
    long descriptors() {
        try (Stream<Path> entries = Files.list(proc("fd"))) {
            return entries.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Pieces of shared memory in its address space. */
    long sharedMappings() {
        try (Stream<String> lines = Files.lines(proc("maps"))) {
            return lines.filter(line -> line.contains("/memfd:")).count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    long threads() {
        try (Stream<Path> entries = Files.list(proc("task"))) {
            return entries.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends it as an operator does, and returns its exit code. */
    int stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(STOP_S, TimeUnit.SECONDS)) {
            throw new AssertionError("vfio serve does not end: " + printed());
        }
        return process.exitValue();
    }

    String printed() {
        try {
            return Files.readString(output);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    private Path proc(String entry) {
        return Path.of("/proc", Long.toString(process.pid()), entry);
    }
}
