package org.vfio4j.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A target under Jazzer, which watches what code an input reaches. {@link #main} writes the target's corpus into a directory and
 * runs Jazzer on it; what it finds new stays there for the next time.
 */
public final class CoverageFuzz {

    private static final String TARGET = "fuzz.target";
    private static final int CHECK_EVERY = 64;

    private static @Nullable FuzzTarget target;
    private static @Nullable DefectLog log;
    private static long inputs;

    private CoverageFuzz() {}

    /** @param args the target's name, for how many seconds, and the directory */
    public static void main(String[] args) throws IOException, InterruptedException {
        Path corpus = Files.createDirectories(Path.of(args[2], args[0]));
        try (FuzzTarget opened = Targets.open(args[0])) {
            int number = 0;
            for (byte[] input : opened.corpus()) {
                Files.write(corpus.resolve("seed-" + number++), input);
            }
        }
        int exit = new ProcessBuilder(List.of(
                        ProcessHandle.current().info().command().orElse("java"),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xmx1g",
                        "-D" + TARGET + "=" + args[0],
                        "-classpath",
                        System.getProperty("java.class.path"),
                        "com.code_intelligence.jazzer.Jazzer",
                        "--target_class=" + CoverageFuzz.class.getName(),
                        "--instrumentation_includes=org.vfio4j.**",
                        "--reproducer_path=" + args[2],
                        "-artifact_prefix=" + args[2] + "/",
                        "-max_len=65536",
                        "-max_total_time=" + args[1],
                        corpus.toString()))
                .inheritIO()
                .start()
                .waitFor();
        if (exit != 0) {
            throw new IllegalStateException("Jazzer ended with " + exit);
        }
    }

    /** Called by Jazzer before the first input. */
    public static void fuzzerInitialize() {
        log = new DefectLog();
        target = Targets.open(Objects.requireNonNull(System.getProperty(TARGET)));
    }

    /** Called by Jazzer with each input. */
    public static void fuzzerTestOneInput(byte[] input) {
        FuzzTarget fuzzed = Objects.requireNonNull(target);
        fuzzed.run(input);
        Objects.requireNonNull(log).check();
        if (++inputs % CHECK_EVERY == 0) {
            fuzzed.checkWorks();
        }
    }

    /** Called by Jazzer at the end. */
    public static void fuzzerTearDown() {
        Objects.requireNonNull(target).close();
        Objects.requireNonNull(log).close();
    }
}
