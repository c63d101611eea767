package org.vfio4j.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.Disks;
import org.vfio4j.cli.device.MdevParentKinds;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.mdev.MdevSockets;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** What writes in a machine's tree mean to those who use its devices. */
@Timeout(120)
class SysfsMountTest {

    private static final String FUNCTION = "0000:00:01.0";

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();
    private Optional<ServerControl> control = Optional.empty();
    private Optional<SysfsMount> mount = Optional.empty();
    private Path socket = Path.of("");
    private Path top = Path.of("");

    @BeforeAll
    static void needFuse() {
        assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "SKIPPED: no /dev/fuse that this user may open");
    }

    @BeforeEach
    void serve() {
        socket = directory.resolve("disk.sock");
        top = directory.resolve("sys");
        machine.add(Disks.memory(1 << 20, 1, "ONE")).serve(new Endpoint.AtPath(socket), VfioUserServerOptions.DEFAULTS);
        machine.mdevs().add(MdevParentKinds.plan("mtty", List.of()));
        ServerControl started = ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty());
        control = Optional.of(started);
        mount = Optional.of(SysfsMount.open(machine, started, Optional.of(top), own.sysfs()));
    }

    @AfterEach
    void release() {
        mount.ifPresent(SysfsMount::close);
        control.ifPresent(ServerControl::close);
        machine.close();
        own.close();
        before.assertNone();
    }

    @Test
    void aFunctionThatIsBoundIsServedAgain() throws IOException {
        write("bus/pci/drivers/vfio-pci/unbind", FUNCTION);
        assertThat(socket).doesNotExist();
        assertThat(Cli.run("show", FUNCTION, "--server", pid()).out()).contains("no driver");
        write("bus/pci/drivers/vfio-pci/bind", FUNCTION);
        assertServes();
        assertThat(Cli.run("show", FUNCTION, "--server", pid()).out()).contains("driver vfio-pci");
        write("bus/pci/drivers/vfio-pci/unbind", FUNCTION);
        write("bus/pci/drivers_probe", FUNCTION);
        assertServes();
    }

    @Test
    void anMdevThatIsCreatedIsServedAndSeen() throws IOException {
        String uuid = UUID.randomUUID().toString();
        write("class/mdev_bus/mtty/mdev_supported_types/mtty-1/create", uuid);
        Path card = MdevSockets.path(UUID.fromString(uuid));
        VfioUserClient.connect(card, VfioUserClientOptions.DEFAULTS).close();
        assertThat(Cli.run("ls").out()).contains(uuid);
        write("bus/mdev/devices/" + uuid + "/remove", "1");
        assertThat(card).doesNotExist();
        assertThat(Cli.run("ls").out()).doesNotContain(uuid);
    }

    @Test
    void whoWaitsForAClientCanGiveUpAndNothingHasChanged() throws Exception {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            Process writer = new ProcessBuilder("/bin/sh", "-c", "echo " + FUNCTION + " > unbind")
                    .directory(top.resolve("bus/pci/drivers/vfio-pci").toFile())
                    .inheritIO()
                    .start();
            while (Thread.getAllStackTraces().keySet().stream()
                    .noneMatch(thread -> thread.getName().startsWith("vfio-fuse-write"))) {
                Thread.onSpinWait();
            }
            assertThat(top.resolve("bus/pci/devices").resolve(FUNCTION).resolve("vendor"))
                    .hasContent("0x1af4");
            writer.destroy();
            assertThat(writer.waitFor()).isEqualTo(128 + 15);
            assertThat(top.resolve("bus/pci/devices").resolve(FUNCTION).resolve("driver"))
                    .exists();
            assertThat(vendor(client)).isEqualTo((short) 0x1af4);
        }
        assertServes();
    }

    @Test
    void theTreeAndTheFilesBesideItAreNotInEachOther() {
        ServerControl served = control.orElseThrow();
        assertThatThrownBy(() ->
                        SysfsMount.open(machine, served, Optional.of(own.sysfs().resolve("sys")), own.sysfs()))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("one is in the other");
    }

    private void write(String path, String text) throws IOException {
        Files.writeString(top.resolve(path), text);
    }

    private void assertServes() {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            assertThat(vendor(client)).isEqualTo((short) 0x1af4);
        }
    }

    private static short vendor(VfioUserClient client) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment id = arena.allocate(2);
            client.read(Vfio.VFIO_PCI_CONFIG_REGION_INDEX, 0, id, 0, 2);
            return id.get(ValueLayout.JAVA_SHORT, 0);
        }
    }

    private static String pid() {
        return Long.toString(ProcessHandle.current().pid());
    }
}
