package org.vfio4j.it;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A QEMU with the test guest, started by bin/run-guest. The guest takes commands one at a time on its console. Used by the
 * test's thread only.
 */
final class QemuGuest implements AutoCloseable {

    /** The first start on a machine fetches QEMU and makes the guest. */
    private static final Duration FIRST_START = Duration.ofMinutes(6);

    static final Duration BOOT = Duration.ofSeconds(90);
    private static final Duration COMMAND = Duration.ofSeconds(60);

    /** What one line of the guest's terminal holds, less some. */
    private static final int MAX_COMMAND_BYTES = 4000;

    private static final Set<List<String>> PREPARED = new HashSet<>();

    /** What a command of the guest ended with. */
    record Result(int exit, String output) {}

    private final Process process;
    private final Console console;
    private final Path monitor;

    /** The command that did not end in time, behind which the guest's shell takes no other; empty while there is none. */
    private String stuckIn = "";

    private QemuGuest(Process process, Path monitor) {
        this.process = process;
        this.monitor = monitor;
        this.console = new Console("the guest", process.getInputStream());
    }

    /** A guest that is to use the devices served on {@code sockets}; options of run-guest and QEMU may be added. */
    static Builder withDisks(Path... sockets) {
        Builder builder = new Builder();
        for (Path socket : sockets) {
            builder.option("--disk", socket.toString());
        }
        return builder;
    }

    /** A guest with drivers for the network interfaces served on {@code sockets}; otherwise as {@link #withDisks}. */
    static Builder withNics(Path... sockets) {
        Builder builder = new Builder();
        for (Path socket : sockets) {
            builder.option("--nic", socket.toString());
        }
        return builder;
    }

    /** A guest with functions of QEMU's own for its VFIO, and with Java: see run-guest's {@code --hardware}. */
    static Builder withHardware(Path image) {
        return new Builder().option("--hardware", image.toString());
    }

    static final class Builder {
        private final List<String> options = new ArrayList<>();
        private final List<String> qemuOptions = new ArrayList<>();

        Builder option(String... option) {
            options.addAll(List.of(option));
            return this;
        }

        Builder qemu(String... option) {
            qemuOptions.addAll(List.of(option));
            return this;
        }

        /** Starts QEMU and returns once the guest takes commands. */
        QemuGuest boot() {
            QemuGuest guest = option("--commands").start();
            try {
                guest.awaitBoot();
                return guest;
            } catch (AssertionError e) {
                guest.close();
                throw e;
            }
        }

        /** Options that ask for the same guest. */
        private List<String> kind() {
            return Stream.of("--nic", "--hardware")
                    .filter(options::contains)
                    .findFirst()
                    .map(option -> List.of(option, "any"))
                    .orElse(List.of());
        }

        /** Starts QEMU and returns at once. */
        QemuGuest start() {
            try {
                prepare(kind());
                Path monitor = Files.createTempDirectory("vfio4j-it-qemu").resolve("monitor");
                List<String> command = new ArrayList<>(List.of(script()));
                command.addAll(options);
                command.addAll(List.of("--", "-monitor", "unix:" + monitor + ",server=on,wait=off"));
                command.addAll(qemuOptions);
                return new QemuGuest(
                        new ProcessBuilder(command).redirectErrorStream(true).start(), monitor);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static String script() {
        return Path.of(System.getProperty("basedir", "."), "bin", "run-guest").toString();
    }

    /** Has the guest made that these options ask for. */
    private static synchronized void prepare(List<String> options) throws IOException {
        if (!PREPARED.add(options)) {
            return;
        }
        List<String> command = new ArrayList<>(List.of(script(), "--print"));
        command.addAll(options);
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Console console = new Console("run-guest --print", process.getInputStream());
        console.await("a QEMU and a guest", line -> line.contains("-kernel"), FIRST_START);
    }

    void awaitBoot() {
        console.await("a booted guest", line -> line.equals("@@ready"), BOOT);
    }

    /** Waits for a line of the guest or of QEMU. */
    String awaitLine(String part, Duration limit) {
        return console.await("line with '" + part + "'", line -> line.contains(part), limit);
    }

    /** Runs a shell command in the guest and returns what it printed; it must succeed. */
    String sh(String command) {
        return sh(command, COMMAND);
    }

    String sh(String command, Duration limit) {
        Result result = run(command, limit);
        if (result.exit != 0) {
            throw new AssertionError("exit " + result.exit + " of '" + command + "' in " + console);
        }
        return result.output;
    }

    Result run(String command) {
        return run(command, COMMAND);
    }

    Result run(String command, Duration limit) {
        send(command);
        stuckIn = command;
        List<String> lines = console.until("end of '" + command + "'", line -> line.matches("@@\\d+"), limit);
        stuckIn = "";
        int exit = Integer.parseInt(lines.removeLast().substring(2));
        return new Result(exit, String.join("\n", lines).strip());
    }

    /** Starts a command in the guest without waiting for it. */
    void send(String command) {
        if (!stuckIn.isEmpty()) {
            throw new AssertionError("the guest's shell is still at '" + stuckIn + "': not sent: " + command);
        }
        byte[] line = (command + "\n").getBytes(StandardCharsets.UTF_8);
        if (line.length > MAX_COMMAND_BYTES || command.contains("\n")) {
            throw new IllegalArgumentException("not one line of at most " + MAX_COMMAND_BYTES + " bytes: " + command);
        }
        try {
            OutputStream out = process.getOutputStream();
            out.write(line);
            out.flush();
        } catch (IOException e) {
            throw new AssertionError("cannot send '" + command + "' to " + console, e);
        }
    }

    /** A command of QEMU's human monitor. */
    void monitor(String command) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(monitor));
            channel.write(ByteBuffer.wrap((command + "\n").getBytes(StandardCharsets.US_ASCII)));
            channel.shutdownOutput();
            ByteBuffer answer = ByteBuffer.allocate(4096);
            while (channel.read(answer) >= 0) {
                answer.clear();
            }
        } catch (IOException e) {
            throw new AssertionError("monitor command " + command + ": " + console, e);
        }
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** The guest powers itself off, and QEMU ends. */
    void powerOff() {
        send("sync; poweroff -f");
        awaitEnd();
    }

    void awaitEnd() {
        try {
            if (!process.waitFor(90, TimeUnit.SECONDS)) {
                throw new AssertionError("QEMU did not end: " + console);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** SIGKILL to QEMU. */
    void kill() {
        process.destroyForcibly();
        awaitEnd();
    }

    @Override
    public void close() {
        kill();
        try {
            Files.deleteIfExists(monitor);
            Files.deleteIfExists(monitor.getParent());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public String toString() {
        return console.toString();
    }
}
