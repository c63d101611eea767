package org.vfio4j.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.config.MachineFile;
import org.vfio4j.cli.config.MachineReader;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.inspect.TreeText;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.socket.InheritedSockets;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** The machine that is shipped, served: what its disks look like to an administrator, and what he does with them. */
class BluefieldMachineTest {

    private static final String PID = Long.toString(ProcessHandle.current().pid());
    private static final String FIRST = "mlx5_core.vfio_pci.2048";
    private static final String SECOND = "mlx5_core.vfio_pci.2304";

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();
    private Optional<ServerControl> control = Optional.empty();
    private Path first = Path.of("");
    private Path second = Path.of("");

    @BeforeEach
    void serve() {
        first = directory.resolve("snap-0.sock");
        second = directory.resolve("snap-1.sock");
        String text = MachineFile.read("shipped:bluefield")
                .text()
                .replace("snap-0.sock", first.toString())
                .replace("snap-1.sock", second.toString());
        new MachinePlan(new MachineReader(new DeviceKinds()).read("m.yaml", text))
                .plugInto(machine, VfioUserServerOptions.DEFAULTS);
        control = Optional.of(ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty()));
    }

    @AfterEach
    void release() {
        control.ifPresent(ServerControl::close);
        machine.close();
        own.close();
        assertThat(machine.bus().devices()).isEmpty();
        before.assertNone();
    }

    @Test
    void theViewHasTheAuxiliaryDevicesWhereLinuxHasThem() throws IOException {
        Path auxiliary = own.sysfs().resolve("sys/bus/auxiliary/devices");
        try (Stream<Path> names = Files.list(auxiliary)) {
            assertThat(names.map(path -> path.getFileName().toString())).containsExactlyInAnyOrder(FIRST, SECOND);
        }
        assertThat(Files.readSymbolicLink(auxiliary.resolve(FIRST)).toString())
                .isEqualTo("../../../devices/pci0000:00/0000:00:02.0/0000:05:00.0/0000:06:00.0/0000:07:00.0/" + FIRST);
        assertThat(Files.readSymbolicLink(auxiliary.resolve(SECOND)).toString())
                .isEqualTo("../../../devices/pci0000:00/0000:00:02.0/0000:05:00.0/0000:06:00.0/0000:07:00.1/" + SECOND);
        assertThat(auxiliary.resolve(FIRST).toRealPath().resolve("driver").toRealPath())
                .isEqualTo(own.sysfs()
                        .resolve("sys/bus/auxiliary/drivers/mlx5-vfio-pci")
                        .toRealPath());
    }

    @Test
    void treeDrawsTheMachine() {
        String expected =
                """
                pid PID
                └─ 0000:00:02.0  [1b36:000c] root-port, buses 05-09
                   └─ 0000:05:00.0  [15b3:1978] upstream-port, buses 06-09
                      ├─ 0000:06:00.0  [15b3:1978] downstream-port, bus 07
                      │  ├─ 0000:07:00.0  [15b3:a2d6] bluefield, network function 0 of a BlueField-2
                      │  │  ├─ mlx5_core
                      │  │  └─ mlx5_core.vfio_pci.2048, mlx5-vfio-pci → 0000:08:00.0
                      │  └─ 0000:07:00.1  [15b3:a2d6] bluefield, network function 1 of a BlueField-2
                      │     ├─ mlx5_core
                      │     └─ mlx5_core.vfio_pci.2304, mlx5-vfio-pci → 0000:09:00.0
                      ├─ 0000:06:01.0  [15b3:1978] downstream-port, bus 08
                      │  └─ 0000:08:00.0  [1af4:1042] virtio-blk, 64 MiB, memory
                      │     └─ mlx5-vfio-pci of mlx5_core.vfio_pci.2048
                      │        └─ vfio0
                      │           └─ FIRST
                      └─ 0000:06:02.0  [15b3:1978] downstream-port, bus 09
                         └─ 0000:09:00.0  [1af4:1042] virtio-blk, 64 MiB, memory
                            └─ mlx5-vfio-pci of mlx5_core.vfio_pci.2304
                               └─ vfio1
                                  └─ SECOND
                """.replace("PID", PID).replace("FIRST", first.toString()).replace("SECOND", second.toString());
        assertThat(TreeText.of(control.orElseThrow().state(), StandardCharsets.UTF_8))
                .isEqualTo(expected);
    }

    @Test
    void showTellsWhoDrivesTheDiskAndThatItCanMigrate() {
        for (String name : List.of("0000:08:00.0", FIRST)) {
            Cli show = run("show", name);
            assertThat(show.exitCode()).as(show.err()).isZero();
            assertThat(show.out())
                    .startsWith("0000:08:00.0 virtio-blk, 64 MiB, memory\n")
                    .contains(
                            "driver mlx5-vfio-pci, device vfio0, pid " + PID,
                            "behind bridge 0000:06:01.0",
                            "auxiliary device mlx5_core.vfio_pci.2048, part of 0000:07:00.0",
                            "emulated by 0000:07:00.0",
                            "driver_override mlx5-vfio-pci",
                            "mig-device-state",
                            "dma-logging-start",
                            "migration: stop-copy, p2p, pre-copy, now RUNNING");
        }
        assertThat(run("show", "0000:07:00.0").out()).contains("  driver mlx5_core, pid " + PID);
    }

    @Test
    void theDisksAreListedWithTheirDpu() {
        assertThat(run("snap", "list").out())
                .containsPattern("0000:08:00.0 +0000:07:00.0 +virtio-blk +64 MiB, memory +" + FIRST)
                .containsPattern("0000:09:00.0 +0000:07:00.1 +virtio-blk +64 MiB, memory +" + SECOND)
                .doesNotContain("bluefield");
    }

    @Test
    void aDiskComesGrowsAndGoesWhileTheMachineIsServed() throws IOException {
        Path image = Files.write(directory.resolve("disk,1.img"), new byte[1 << 20]);
        Path socket = directory.resolve("new.sock");
        Cli create = on(
                "create",
                "0000:07:00.0",
                "nvme",
                "file=" + image.toString().replace(",", ",,"),
                "--address",
                "08:00.1",
                "--socket-path",
                "" + socket);
        assertThat(create.exitCode()).as(create.err()).isZero();
        assertThat(create.out())
                .startsWith("0000:08:00.1 nvme, 1 MiB, file " + image)
                .endsWith(": mlx5-vfio-pci of mlx5_core.vfio_pci.2049, at " + socket + "\n");
        assertServes(socket);
        assertThat(own.sysfs().resolve("sys/bus/auxiliary/devices/mlx5_core.vfio_pci.2049"))
                .exists();
        assertThat(run("show", "0000:08:00.1").out()).contains("migration: stop-copy, p2p, pre-copy, now RUNNING");
        Cli resize = on("resize", "0000:08:00.1", "2M");
        assertThat(resize.out()).as(resize.err()).startsWith("0000:08:00.1: 2 MiB, file " + image);
        assertThat(Files.size(image)).isEqualTo(2 << 20);
        Cli delete = on("delete", "mlx5_core.vfio_pci.2049");
        assertThat(delete.out()).as(delete.err()).isEqualTo("0000:08:00.1 deleted\n");
        assertThat(socket).doesNotExist();
        assertThat(machine.bus().auxiliary().devices()).hasSize(2);
        assertThat(run("show", "0000:08:00.1").exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(on("delete", "0000:08:00.1").exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        // And one more, at the first place that is free beside its network function.
        Cli again = on("create", "0000:07:00.1", "virtio-blk", "null=1M");
        assertThat(again.out())
                .as(again.err())
                .startsWith("0000:07:00.2 virtio-blk, 1 MiB, null")
                .contains("mlx5_core.vfio_pci.1794, at (not served)");
    }

    /** Its driver hears of it, and finds which in the Changed Namespace List. */
    @Test
    void oneNamespaceOfSeveralGrows() throws IOException {
        Path image = Files.write(directory.resolve("second.img"), new byte[1 << 20]);
        Path socket = directory.resolve("new.sock");
        Cli create = on(
                "create",
                "0000:07:00.0",
                "nvme",
                "memory=1M",
                "file=" + image,
                "--address",
                "08:00.1",
                "--socket-path",
                "" + socket);
        assertThat(create.exitCode()).as(create.err()).isZero();
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
                NvmeAdmin driver = new NvmeAdmin(client)) {
            driver.wantNamespaceEvents();
            Cli grown = on("resize", "0000:08:00.1", "3M", "--namespace", "2");
            assertThat(grown.exitCode()).as(grown.err()).isZero();
            assertThat(grown.out()).startsWith("0000:08:00.1: 1 MiB, memory; 3 MiB, file " + image);
            assertThat(driver.awaitEvent()).isEqualTo(NvmeAdmin.NAMESPACE_ATTRIBUTE_CHANGED);
            assertThat(driver.changedNamespace()).isEqualTo(2);
            assertThat(driver.blocks(2)).isEqualTo((3 << 20) / 512);
            assertThat(driver.blocks(1)).isEqualTo((1 << 20) / 512);
        }
        assertThat(Files.size(image)).isEqualTo(3 << 20);
        assertRefused(ExitCode.UNSUPPORTED, "2 namespaces, of which none is named", "resize", "0000:08:00.1", "4M");
        assertRefused(ExitCode.NOT_FOUND, "namespace 3 of 1 to", "resize", "0000:08:00.1", "4M", "--namespace", "3");
        assertRefused(ExitCode.USAGE, "namespaces count from 1", "resize", "0000:08:00.1", "4M", "--namespace", "-1");
        assertRefused(
                ExitCode.UNSUPPORTED, "is no NVMe controller", "resize", "0000:08:00.0", "128M", "--namespace", "1");
        assertRefused(ExitCode.UNSUPPORTED, "resize of memory", "resize", "0000:08:00.1", "4M", "--namespace", "1");
    }

    @Test
    void aDiskThatIsUsedIsNotDeletedWithinTheLimit() {
        try (VfioUserClient client = VfioUserClient.connect(first, VfioUserClientOptions.DEFAULTS)) {
            Cli busy = on("delete", "0000:08:00.0", "--timeout", "0.2");
            assertThat(busy.exitCode()).as(busy.err()).isEqualTo(ExitCode.BUSY);
            assertThat(busy.errorLines()[1]).contains("a longer --timeout");
            assertThat(client.info().numRegions()).isPositive();
        }
        assertServes(first);
        assertThat(on("delete", "0000:08:00.0").exitCode()).isZero();
        assertThat(first).doesNotExist();
        assertServes(second);
    }

    @Test
    void whatIsRefusedLeavesNothingBehind() throws IOException {
        Path socket = directory.resolve("x.sock");
        assertRefused(ExitCode.USAGE, "a DPU emulates", "create", "07:00.0", "i40e-vf", "link=x");
        assertRefused(ExitCode.USAGE, "without storage", "create", "07:00.0", "virtio-blk");
        assertRefused(ExitCode.USAGE, "PCI address", "create", "07:00.0", "nvme", "null=1M", "--address", "8");
        assertRefused(ExitCode.UNSUPPORTED, "no DPU's network function", "create", "08:00.0", "nvme", "null=1M");
        assertRefused(ExitCode.NOT_FOUND, "no function", "create", "0a:00.0", "nvme", "null=1M");
        assertRefused(ExitCode.FAILED, "EEXIST", "create", "07:00.0", "nvme", "null=1M", "--address", "0000:08:00.0");
        assertRefused(ExitCode.NOT_FOUND, "/none/disk", "create", "07:00.0", "nvme", "file=/none/disk");
        Files.createFile(socket);
        assertRefused(
                ExitCode.FAILED,
                socket.toString(),
                "create",
                "07:00.0",
                "nvme",
                "null=1M",
                "--socket-path",
                "" + socket);
        assertRefused(ExitCode.UNSUPPORTED, "no DPU emulates it", "resize", "0000:07:00.0", "2M");
        assertRefused(ExitCode.UNSUPPORTED, "resize of memory", "resize", "0000:08:00.0", "1M");
        assertRefused(ExitCode.UNSUPPORTED, "no DPU emulates it", "delete", "0000:07:00.1");
        assertThat(machine.functions()).hasSize(4);
        assertThat(machine.bus().auxiliary().devices()).hasSize(2);
    }

    @Test
    void theNetworkFunctionLosesItsDriverAndGetsItAgain() {
        assertThat(run("unbind", "0000:07:00.0").out()).isEqualTo("0000:07:00.0 unbound from mlx5_core\n");
        assertThat(first).doesNotExist();
        assertThat(machine.bus().auxiliary().devices()).hasSize(1);
        // The disk is one like any other now.
        assertThat(run("bind", "0000:08:00.0").out()).contains("bound to vfio-pci");
        assertServes(first);
        assertThat(run("unbind", "0000:08:00.0").exitCode()).isZero();
        assertThat(run("bind", "0000:07:00.0").out()).isEqualTo("0000:07:00.0 bound to mlx5_core\n");
        assertServes(first);
        assertThat(run("show", FIRST).out()).contains("driver mlx5-vfio-pci");
        assertThat(run("bind", "0000:07:00.0").exitCode()).isEqualTo(ExitCode.BUSY);
    }

    @Test
    void aDpuIsServedFromTheCommandLineToo() {
        try (Machine other = new Machine()) {
            Path socket = directory.resolve("line.sock");
            DevicePlans.of(
                            List.of(
                                    DeviceGroup.parse(List.of("bluefield", "ports=1")),
                                    DeviceGroup.parse(List.of(
                                            "virtio-blk",
                                            "memory=1M",
                                            "--emulated-by",
                                            "0000:00:01.0",
                                            "--socket-path",
                                            socket.toString()))),
                            new DeviceKinds(),
                            InheritedSockets.OWN)
                    .plugInto(other, VfioUserServerOptions.DEFAULTS);
            assertThat(other.functions())
                    .extracting(function -> function.device().toString())
                    .containsExactly("0000:00:01.0", "0000:00:01.1");
            assertThat(other.bus().auxiliary().device("mlx5_core.vfio_pci.9").driver())
                    .isPresent();
            assertServes(socket);
        }
    }

    @Test
    void aFunctionOfADpuWithoutDriverIsOneLikeAnyOther() {
        assertThat(run("unbind", "0000:07:00.1").exitCode()).isZero();
        Cli create = on("create", "0000:07:00.1", "virtio-blk", "null=1M", "--address", "0000:09:00.1");
        assertThat(create.out()).as(create.err()).contains("0000:09:00.1", "vfio-pci, at");
    }

    private void assertRefused(int exitCode, String what, String... words) {
        Cli refused = on(words);
        assertThat(refused.exitCode()).as(refused.err()).isEqualTo(exitCode);
        assertThat(refused.errorLines()).hasSize(2);
        assertThat(refused.errorLines()[0]).contains(what);
    }

    private static void assertServes(Path socket) {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            assertThat(client.info().numRegions()).isPositive();
        }
    }

    private static Cli on(String... words) {
        List<String> all = new ArrayList<>(List.of("snap"));
        all.addAll(List.of(words));
        all.addAll(List.of("--server", PID));
        return Cli.run(all.toArray(String[]::new));
    }

    private static Cli run(String... words) {
        return Cli.run(words);
    }
}
