package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Unmodified programs that work on /sys work on a server's tree: they are the judges of whether it is like the kernel's. */
class SysfsToolsTest {

    private static final Duration START = Duration.ofSeconds(60);
    private static final String FUNCTION = "0000:00:01.0";

    @TempDir
    private Path directory;

    private Path top = Path.of("");
    private Optional<VfioProcess> server = Optional.empty();

    @BeforeEach
    void serve() throws Exception {
        SysNamespace.assumePossible("fusermount3", "lspci", "setpci", "mdevctl", "driverctl");
        top = directory.resolve("sys");
        server = Optional.of(start());
    }

    private VfioProcess start(String... more) {
        VfioProcess process = VfioProcess.server()
                .disk(directory.resolve("disk.sock"), "memory=1M")
                .option(more)
                .option(
                        "+",
                        "mtty",
                        "--definitions",
                        directory.resolve("mdev.d").toString())
                .option("--sysfs-fuse", top.toString(), "--vfio-pci", "ids=1af4:1042")
                .start();
        process.awaitLine("sysfs: " + top, START);
        process.awaitLine("lspci: ", START);
        return process;
    }

    @AfterEach
    void stop() throws Exception {
        server.ifPresent(VfioProcess::close);
        new ProcessBuilder("umount", "-l", top.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }

    private SysNamespace tools() throws IOException {
        return SysNamespace.of(top, directory.resolve("etc"));
    }

    @Test
    void lspciShowsAllOfAFunction() throws Exception {
        String shown = tools().succeed("lspci", "-D", "-nn", "-vvxxxx");
        assertThat(shown)
                .contains(FUNCTION + " ", "[1af4:1042]", "Region 4: Memory at ", "Kernel driver in use: vfio-pci")
                .contains(
                        "Capabilities: [40] MSI-X: Enable-", "Express (v2) Endpoint", "\n00: f4 1a 42 10 ", "\nff0: ");
        assertThat(tools().succeed("lspci", "-t")).isEqualTo("-[0000:00]---01.0\n");
    }

    @Test
    void setpciWritesWhereNoDriverForbidsIt() throws Exception {
        String registers = tools().succeed("setpci", "-s", FUNCTION, "VENDOR_ID", "DEVICE_ID", "INTERRUPT_LINE");
        assertThat(registers).isEqualTo("1af4\n1042\n00\n");
        assertThat(tools().run("setpci", "-s", FUNCTION, "INTERRUPT_LINE=0b").output())
                .contains("Device or resource busy");
        assertThat(tools().succeed("setpci", "-s", FUNCTION, "INTERRUPT_LINE")).isEqualTo("00\n");
        Files.writeString(top.resolve("bus/pci/drivers/vfio-pci/unbind"), FUNCTION);
        tools().succeed("setpci", "-s", FUNCTION, "INTERRUPT_LINE=0b", "COMMAND=2:3");
        assertThat(tools().succeed("setpci", "-s", FUNCTION, "INTERRUPT_LINE", "COMMAND"))
                .isEqualTo("0b\n0002\n");
    }

    @Test
    void mdevctlMakesDefinesAndRemovesMdevs() throws Exception {
        SysNamespace tools = tools();
        assertThat(tools.succeed("mdevctl", "types"))
                .contains(
                        "mtty\n", "mtty-2\n", "Available instances: 12\n", "Device API: vfio-pci", "Dual port serial");
        String uuid = UUID.randomUUID().toString();
        tools.succeed("mdevctl", "define", "--auto", "-u", uuid, "-p", "mtty", "-t", "mtty-2");
        tools.succeed("mdevctl", "modify", "-u", uuid, "--addattr", "port0/peer", "--value", "none");
        assertThat(tools.succeed("mdevctl", "list")).doesNotContain(uuid);
        tools.succeed("mdevctl", "start", "-u", uuid);
        assertThat(tools.succeed("mdevctl", "list")).contains(uuid + " mtty mtty-2 auto (defined)");
        assertThat(top.resolve("bus/mdev/devices").resolve(uuid).resolve("port0/peer"))
                .hasContent("none");
        assertThat(tools.run("mdevctl", "start", "-u", uuid).exitCode()).isNotZero();
        tools.succeed("mdevctl", "stop", "-u", uuid);
        assertThat(tools.succeed("mdevctl", "list")).doesNotContain(uuid);
        tools.succeed("mdevctl", "modify", "-u", uuid, "--manual");
        assertThat(tools.succeed("mdevctl", "list", "--defined")).contains(uuid + " mtty mtty-2 manual");
        tools.succeed("mdevctl", "undefine", "-u", uuid);
        assertThat(tools.succeed("mdevctl", "list", "--defined")).doesNotContain(uuid);
    }

    @Test
    void mdevctlStartsWhatIsDefinedForAParent() throws Exception {
        SysNamespace tools = tools();
        String auto = UUID.randomUUID().toString();
        String manual = UUID.randomUUID().toString();
        tools.succeed("mdevctl", "define", "--auto", "-u", auto, "-p", "mtty", "-t", "mtty-1");
        tools.succeed("mdevctl", "define", "-u", manual, "-p", "mtty", "-t", "mtty-1");
        tools.succeed("mdevctl", "start-parent-mdevs", "mtty");
        assertThat(tools.succeed("mdevctl", "list")).contains(auto).doesNotContain(manual);
        Files.writeString(top.resolve("bus/mdev/devices").resolve(auto).resolve("remove"), "1");
    }

    @Test
    void mdevctlMakesScalableFunctionsOfADpu() throws Exception {
        server.ifPresent(VfioProcess::stop);
        server = Optional.of(start("+", "bluefield", "ports=1", "sfs=3", "--address", "0000:00:07.0"));
        SysNamespace tools = tools();
        String parent = "0000:00:07.0";
        String type = "mlx5_core-virtio_blk_small";
        assertThat(tools.succeed("mdevctl", "types", "--parent", parent))
                .contains(parent + "\n", type + "\n", "Available instances: 3\n", "virtio-blk disk, small")
                .contains("Description: 1 queue, 64 MiB")
                .doesNotContain("mtty");
        String uuid = UUID.randomUUID().toString();
        tools.succeed("mdevctl", "start", "-u", uuid, "-p", parent, "-t", type);
        assertThat(tools.succeed("mdevctl", "list")).startsWith(uuid + " " + parent + " " + type);
        assertThat(tools.succeed("mdevctl", "types")).contains("Available instances: 2\n");
        Path device = top.resolve("bus/mdev/devices").resolve(uuid);
        assertThat(device.resolve("size")).hasContent("67108864");
        assertThat(device.toRealPath())
                .isEqualTo(top.toRealPath()
                        .resolve("devices/pci0000:00")
                        .resolve(parent)
                        .resolve(uuid));
        // The parent takes it along.
        Files.writeString(top.resolve("bus/pci/drivers/mlx5_core/unbind"), parent);
        assertThat(tools.run("mdevctl", "list").output()).doesNotContain(uuid);
    }

    @Test
    void driverctlNamesTheDriverOfAFunction() throws Exception {
        SysNamespace tools = tools();
        assertThat(tools.succeed("driverctl", "list-devices")).startsWith(FUNCTION + " vfio-pci");
        tools.succeed("driverctl", "unset-override", FUNCTION);
        // Of those that take it by themselves, as it was told to do with --vfio-pci ids=.
        assertThat(tools.succeed("driverctl", "list-devices")).isEqualTo(FUNCTION + " vfio-pci\n");
        tools.succeed("driverctl", "set-override", FUNCTION, "vfio-pci");
        assertThat(tools.succeed("driverctl", "list-overrides")).isEqualTo(FUNCTION + " vfio-pci\n");
        assertThat(directory.resolve("etc/driverctl.d/pci-" + FUNCTION)).hasContent("vfio-pci");
        tools.succeed("driverctl", "set-override", FUNCTION, "none");
        assertThat(tools.succeed("driverctl", "list-devices")).isEqualTo(FUNCTION + " (none) [*]\n");
        assertThat(tools.run("driverctl", "set-override", FUNCTION, "no-such-driver")
                        .exitCode())
                .isNotZero();
    }

    @Test
    void whatAKilledServerLeavesIsUnmountedByHandOrByTheNext() throws Exception {
        server.ifPresent(VfioProcess::kill);
        // Not that it is not there: nobody answers any more.
        assertThat(Files.exists(top.resolve("bus"))).isFalse();
        server = Optional.of(start());
        assertThat(top.resolve("bus/pci/devices").resolve(FUNCTION)).exists();
        server.ifPresent(VfioProcess::kill);
        assertThat(new ProcessBuilder("fusermount3", "-u", top.toString())
                        .inheritIO()
                        .start()
                        .waitFor())
                .isZero();
        assertThat(top).isEmptyDirectory();
    }

    @Test
    void nothingStaysOfAServerThatEnds() {
        server.ifPresent(VfioProcess::stop);
        assertThat(top).doesNotExist();
    }
}
