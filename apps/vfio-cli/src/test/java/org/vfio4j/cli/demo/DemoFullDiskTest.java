package org.vfio4j.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.Main;
import org.vfio4j.cli.text.ExitCode;

/** A demonstration without room for its disk says where that is, what it needs, and how to have it elsewhere. */
class DemoFullDiskTest {

    private static final String MOUNT = "mount -t tmpfs -o size=SIZE none small && ";

    @TempDir
    private Path directory;

    @Test
    void aSmallFileSystemIsFoundBeforeAnythingIsServed() throws Exception {
        demo("4m", "TMPDIR=$PWD/small");
        List<String> lines = Files.readAllLines(directory.resolve("err"));
        assertThat(lines).hasSize(2);
        assertThat(lines.getFirst())
                .isEqualTo("vfio: demo: the file system of " + directory.toRealPath() + "/small, "
                        + directory.toRealPath()
                        + "/small (none), has 4 MiB left: a disk of 64 MiB and 4 MiB of other files go there");
        assertThat(lines.getLast())
                .startsWith("try: TMPDIR=DIRECTORY vfio demo")
                .contains("df -h");
        assertThat(Files.readString(directory.resolve("out"))).isEmpty();
    }

    /** Others fill it while the demonstration runs, which goes on for long enough for that. */
    @Test
    void aFileSystemThatBecomesFullIsNamedToo() throws Exception {
        String filler = "(until ls small/*/1/serve*.log; do sleep 0.05; done; head -c 90M /dev/zero >small/full)"
                + " >/dev/null 2>&1 & ";
        demo("72m", filler + "TMPDIR=$PWD/small");
        List<String> lines = Files.readAllLines(directory.resolve("err"));
        assertThat(lines.get(lines.size() - 2))
                .startsWith("vfio: demo: the file system of ")
                .contains("small (none), has ", " left: a disk of 64 MiB");
        assertThat(lines.getLast()).startsWith("try: TMPDIR=DIRECTORY vfio demo");
    }

    @Test
    void aDirectoryThatIsNotThereIsNamed() throws Exception {
        demo("4m", "TMPDIR=$PWD/none");
        List<String> lines = Files.readAllLines(directory.resolve("err"));
        assertThat(lines.getFirst())
                .startsWith("vfio: demo: make a directory in ")
                .contains("/none", "ENOENT");
        assertThat(lines.getLast()).startsWith("try: TMPDIR=DIRECTORY vfio demo");
    }

    private void demo(String size, String before) throws Exception {
        String mount = MOUNT.replace("SIZE", size);
        Files.createDirectories(directory.resolve("small"));
        Process possible = new ProcessBuilder("unshare", "-rm", "sh", "-c", mount + ":")
                .directory(directory.toFile())
                .start();
        Assumptions.assumeTrue(possible.waitFor() == 0, "NOT TESTED: no mount namespace to be had");
        String java = String.join(
                " ",
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:-UsePerfData --enable-native-access=ALL-UNNAMED -cp",
                System.getProperty("java.class.path"),
                Main.class.getName());
        Process demo = new ProcessBuilder(
                        "unshare",
                        "-rm",
                        "bash",
                        "-c",
                        mount + "export XDG_RUNTIME_DIR=$PWD; " + before + " " + java + " demo --seconds 20 >out 2>err")
                .directory(directory.toFile())
                .redirectInput(new File("/dev/null"))
                .start();
        assertThat(demo.waitFor(240, TimeUnit.SECONDS)).isTrue();
        assertThat(demo.exitValue())
                .as(Files.readString(directory.resolve("err")))
                .isIn(ExitCode.FAILED, ExitCode.NOT_FOUND);
    }
}
