package org.vfio4j.cli.keep;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** How a keeper starts a server: as it was started itself, less what makes it a small process. */
public final class ServerProgram {

    /** What the script {@code vfio} gives a keeper, and no server. */
    private static final Set<String> KEEPERS_OWN = Set.of("-Xms4m", "-Xmx32m", "-XX:TieredStopAtLevel=1");

    private ServerProgram() {}

    /** The program, its JVM's options and its main class, of this process, which was given {@code arguments}. */
    public static List<String> own(List<String> arguments) {
        List<String> line = commandLine();
        List<String> program = new ArrayList<>(line.subList(0, line.size() - arguments.size()));
        program.set(0, Path.of(System.getProperty("java.home"), "bin", "java").toString());
        program.removeIf(KEEPERS_OWN::contains);
        return program;
    }

    private static List<String> commandLine() {
        try {
            String all = new String(Files.readAllBytes(Path.of("/proc/self/cmdline")), StandardCharsets.UTF_8);
            // Each word ends with a NUL, the last one too.
            return List.of(all.substring(0, all.length() - 1).split("\0", -1));
        } catch (IOException e) {
            throw new UncheckedIOException("read /proc/self/cmdline", e);
        }
    }
}
