package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Runs programs of the system's in a mount namespace in which another directory is /sys, and an empty one /etc, so that they work on
 * a server's devices and leave nothing on the machine.
 *
 * @param sys what is /sys there
 * @param etc what is /etc there
 */
record SysNamespace(Path sys, Path etc) {

    private static final int LIMIT_S = 60;
    private static final String ENTER =
            "mount --bind \"$1\" /sys && mount --bind \"$2\" /etc && shift 2 && exec \"$@\"";

    /** What a program printed, both ways, and how it ended. */
    record Result(int exitCode, String output) {}

    /** Skips the test, and says why, where such a namespace cannot be had or one of these programs is not installed. */
    static void assumePossible(String... programs) throws IOException, InterruptedException {
        assumeTrue(
                Files.isWritable(Path.of("/dev/fuse"))
                        && System.getProperty("user.name").equals("root"),
                "SKIPPED: root and /dev/fuse are needed to put a tree in the place of /sys");
        for (String program : programs) {
            assumeTrue(
                    isInstalled(program),
                    "SKIPPED: " + program + " is NOT INSTALLED, so the tree is not held against it: apt-get install "
                            + program);
        }
        Process unshare =
                new ProcessBuilder("unshare", "-m", "true").inheritIO().start();
        assumeTrue(unshare.waitFor() == 0, "SKIPPED: this machine lets nobody make a mount namespace");
    }

    private static boolean isInstalled(String program) {
        return Arrays.stream((System.getenv("PATH") + ":/usr/sbin:/sbin").split(":"))
                .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
    }

    /** Makes the directories that mdevctl expects in /etc. */
    static SysNamespace of(Path sys, Path etc) throws IOException {
        Files.createDirectories(etc.resolve("mdevctl.d/scripts.d/callouts"));
        Files.createDirectories(etc.resolve("mdevctl.d/scripts.d/notifiers"));
        return new SysNamespace(sys, etc);
    }

    /** Runs a program to its end. */
    Result run(String... command) throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of("unshare", "-m", "/bin/sh", "-c", ENTER, "sh"));
        words.addAll(List.of(sys.toString(), etc.toString()));
        words.addAll(List.of(command));
        ProcessBuilder builder = new ProcessBuilder(words).redirectErrorStream(true);
        builder.environment().merge("PATH", "/usr/sbin:/sbin", (path, sbin) -> path + ":" + sbin);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(LIMIT_S, TimeUnit.SECONDS))
                .as("%s has ended", List.of(command))
                .isTrue();
        return new Result(process.exitValue(), output);
    }

    /** Runs a program that must succeed: what it printed. */
    String succeed(String... command) throws IOException, InterruptedException {
        Result result = run(command);
        assertThat(result.exitCode())
                .as("%s: %s", List.of(command), result.output())
                .isZero();
        return result.output();
    }
}
