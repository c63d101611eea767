package org.vfio4j.cli.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vfio4j.cli.config.MachineFile;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/**
 * A server of the demonstration: the shipped machine, with its first disk in a file, which another server has as well.
 *
 * @param directory its own, where its sockets are
 */
record DemoServer(Path directory, VfioProcess process) implements AutoCloseable {

    static final long DISK_BYTES = 64L << 20;

    private static final String MACHINE = "machine.yaml";
    private static final Pattern STORAGE = Pattern.compile("(?m)^( *)memory: 64M$");
    private static final String SERVES = "lspci: ";

    /** @param incoming whether the other server has the file still */
    static DemoServer start(Path directory, Path disk, boolean incoming) throws IOException {
        Files.createDirectory(directory);
        Matcher first = STORAGE.matcher(MachineFile.read(MachineFile.SHIPPED + MachineFile.NAMES.getFirst())
                .text());
        String machine = first.replaceFirst(
                "$1file: " + Matcher.quoteReplacement("\"" + disk + "\"") + (incoming ? "\n$1incoming: true" : ""));
        Files.writeString(directory.resolve(MACHINE), machine);
        return new DemoServer(directory, VfioProcess.start(directory, "serve", "--config", MACHINE));
    }

    /** What it serves, as soon as it does. */
    ServerState awaitState() {
        return state(process);
    }

    /** What a process serves, as soon as it does. */
    static ServerState state(VfioProcess process) {
        process.await(SERVES);
        return ServerDirectory.servers().stream()
                .filter(server -> server.pid() == process.pid())
                .findFirst()
                .orElseThrow(() -> new CliException(ExitCode.FAILED, "'" + process.line() + "' has ended", "vfio ls"));
    }

    /** Its disks: what has a socket. */
    static List<ServerState.Function> disks(ServerState server) {
        return server.functions().stream()
                .filter(function -> !function.socket().isEmpty())
                .toList();
    }

    @Override
    public void close() {
        process.close();
    }
}
