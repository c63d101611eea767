package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.vfiouser.VfioUserServerOptions;

class BenchCommandTest {

    @TempDir
    private Path directory;

    @Test
    void needsASocket() {
        assertFails(ExitCode.USAGE, "--socket-path", Cli.run("bench"));
    }

    @Test
    void rejectsADepthBeyondTheLimit() {
        assertFails(
                ExitCode.USAGE,
                "--queue-depth 1025: the limits are 1 and 1024",
                Cli.run("bench", "--socket-path", socket(), "--queue-depth", "1,1025"));
    }

    @Test
    void rejectsNoTimeAtAll() {
        assertFails(ExitCode.USAGE, "--seconds 0", Cli.run("bench", "--socket-path", socket(), "--seconds", "0"));
    }

    @Test
    void saysHowToStartTheServerThatIsMissing() {
        Cli run = Cli.run("bench", "--socket-path", socket());
        assertFails(ExitCode.NOT_FOUND, "ENOENT", run);
        assertThat(run.err()).contains("try: vfio serve virtio-blk memory=512M --socket-path " + socket());
    }

    @Test
    void doesNotWriteToAReadOnlyDisk() {
        Cli run = withDisk("--write", "readonly");
        assertFails(ExitCode.PERMISSION, "the disk is read-only", run);
    }

    @Test
    void measuresRegionsAndRequests() {
        Cli run = withDisk("--output=json");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("\"kind\" : \"BenchResult\"", "region read, spinning", "region read, blocking")
                .contains("4 KiB random read", "\"queueDepth\" : 4");
    }

    private Cli withDisk(String option, String... words) {
        List<String> settings = new ArrayList<>(List.of("memory=1M"));
        settings.addAll(List.of(words));
        try (Machine machine = new Machine()) {
            machine.add(new VirtioBlkKind().plan(Setting.parse(settings)))
                    .serve(new Endpoint.AtPath(Path.of(socket())), VfioUserServerOptions.DEFAULTS);
            return Cli.run("bench", "--socket-path", socket(), "--seconds", "1", "--queue-depth", "4", option);
        }
    }

    private String socket() {
        return directory.resolve("disk.sock").toString();
    }

    private static void assertFails(int exitCode, String what, Cli run) {
        assertThat(run.exitCode()).isEqualTo(exitCode);
        assertThat(run.err()).contains(what, "try: ");
        assertThat(run.out()).isEmpty();
    }
}
