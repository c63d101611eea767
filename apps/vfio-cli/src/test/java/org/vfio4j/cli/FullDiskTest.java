package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.text.ExitCode;

/** A process whose runtime directory cannot be written never says that it listens. */
class FullDiskTest {

    @TempDir
    private Path directory;

    @Test
    void aFileThatMayNotGrowFailsBeforeAnythingIsAnnounced() throws Exception {
        Process serving = serve("ulimit -f 0; ", "");
        assertFails(serving, "EFBIG");
    }

    @Test
    void aFullFileSystemFailsBeforeAnythingIsAnnounced() throws Exception {
        // Room for the directories, and for no byte of a file.
        String mount = "mount -t tmpfs -o size=4k,nr_inodes=200 none run && head -c 4096 /dev/zero >run/full && ";
        Process possible = new ProcessBuilder("unshare", "-rm", "sh", "-c", mount + ":")
                .directory(prepared().toFile())
                .start();
        Assumptions.assumeTrue(possible.waitFor() == 0, "NOT TESTED: no mount namespace to be had");
        assertFails(serve(mount, "unshare -rm "), "ENOSPC");
    }

    private void assertFails(Process serving, String errno) throws Exception {
        assertThat(serving.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(Files.readString(directory.resolve("out"))).isEmpty();
        List<String> lines = Files.readAllLines(directory.resolve("err"));
        assertThat(lines.get(lines.size() - 2)).startsWith("vfio: serve: ").contains(errno + " (");
        assertThat(lines.getLast()).startsWith("try: df -h ").contains("XDG_RUNTIME_DIR=");
        assertThat(serving.exitValue()).isEqualTo(ExitCode.FAILED);
        assertThat(directory.resolve("s")).doesNotExist();
    }

    private Process serve(String before, String prefix) throws IOException {
        String java = String.join(
                " ",
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:-UsePerfData --enable-native-access=ALL-UNNAMED -cp",
                System.getProperty("java.class.path"),
                Main.class.getName());
        // The output goes through pipes, which have no size.
        String command =
                before + "export XDG_RUNTIME_DIR=$PWD/run; exec " + java + " serve virtio-blk null=1M --socket-path s";
        return new ProcessBuilder(
                        "bash",
                        "-c",
                        "{ " + prefix + "bash -c '" + command
                                + "'; } > >(cat >out) 2> >(cat >err); rc=$?; wait; exit $rc")
                .directory(prepared().toFile())
                .redirectInput(new File("/dev/null"))
                .start();
    }

    private Path prepared() throws IOException {
        Files.createDirectories(directory.resolve("run"));
        return directory;
    }
}
