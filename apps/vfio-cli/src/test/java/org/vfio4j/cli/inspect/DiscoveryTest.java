package org.vfio4j.cli.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.Disks;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** How other processes find what one serves: ls, tree and show. */
class DiscoveryTest {

    @TempDir
    private Path directory;

    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();
    private String socket = "";
    private Optional<ServerControl> control = Optional.empty();

    @BeforeEach
    void publish() {
        MachineFunction disk = machine.add(Disks.memory(1 << 20, 3, "FOUND"));
        socket = directory.resolve("disk.sock").toString();
        disk.serve(new Endpoint.AtPath(Path.of(socket)), VfioUserServerOptions.DEFAULTS);
        control = Optional.of(ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty()));
    }

    @AfterEach
    void release() {
        control.ifPresent(ServerControl::close);
        machine.close();
        own.close();
    }

    @Test
    void lsShowsTheFunctionInColumnsThatAlign() {
        Cli ls = Cli.run("ls");
        assertThat(ls.exitCode()).isZero();
        String[] lines = ls.out().split("\n");
        assertThat(lines[0]).startsWith("FUNCTION");
        String line =
                ls.out().lines().filter(l -> l.contains(socket)).findFirst().orElseThrow();
        assertThat(line)
                .startsWith("0000:00:01.0")
                .contains("1af4:1042")
                .contains("vfio-pci")
                .contains("1 MiB, memory");
        assertThat(line.indexOf("1af4:1042")).isEqualTo(lines[0].indexOf("ID"));
        assertThat(line.indexOf(socket)).isEqualTo(lines[0].indexOf("SOCKET"));
    }

    @Test
    void modaliasFindsTheDriversOfAServedFunction() {
        Cli modalias = Cli.run("modalias", "00:01.0");
        assertThat(modalias.exitCode()).isZero();
        assertThat(modalias.out())
                .contains(
                        "pci:v00001AF4d00001042sv",
                        "(served by " + ProcessHandle.current().pid() + ")")
                .containsPattern("vfio-pci +7 +vfio_pci:v\\*d\\*sv\\*sd\\*bc\\*sc\\*i\\*");
    }

    @Test
    void modaliasJudgesAnAliasThatNobodyServes() {
        JsonNode json = JsonMapper.builder()
                .build()
                .readTree(Cli.run("modalias", "pci:v000015B3d0000101Esv0sd0bc02sc00i00", "-o", "json")
                        .out());
        assertThat(json.get("kind").asString()).isEqualTo("Modalias");
        assertThat(json.get("items").get(0).get("drivers").get(0).get("driver").asString())
                .isEqualTo("vfio-pci");
    }

    @Test
    void modaliasOfNothingSaysWhatThereIs() {
        assertThat(Cli.run("modalias", "0000:fe:1f.7").exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        Cli bad = Cli.run("modalias", "nonsense");
        assertThat(bad.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(bad.err()).contains("nonsense", "try: vfio modalias");
    }

    @Test
    void aDriverThatMakesNoVfioDeviceIsRefusedByName() {
        machine.bus().register(new PciDriver() {
            @Override
            public String name() {
                return "native";
            }

            @Override
            public List<PciDeviceId> idTable() {
                return List.of();
            }

            @Override
            public void probe(PciDevice device) {}

            @Override
            public void remove(PciDevice device) {}
        });
        assertThatThrownBy(() -> machine.add(Disks.memory(1 << 20, 1, "X"), Optional.empty(), Optional.of("native")))
                .hasMessageContaining("driver native makes none");
    }

    @Test
    void aFunctionThatVfioPciTakesByItsIdsIsServedToo() {
        try (Machine other = new Machine(VfioPciOptions.parse(List.of("ids=1af4:1042")), List.of())) {
            MachineFunction taken = other.add(Disks.memory(1 << 20, 1, "X"));
            taken.open().close();
            assertThat(taken.state().driverOverride()).isEmpty();
            assertThat(taken.state().driver()).isEqualTo("vfio-pci");
        }
    }

    @Test
    void driversListsWhatIsInstalled() {
        assertThat(Cli.run("drivers").out()).containsPattern("vfio-pci +\\S.* +vfio_pci:v\\*d\\*");
        JsonNode json = JsonMapper.builder()
                .build()
                .readTree(Cli.run("drivers", "-o", "json").out());
        assertThat(json.get("items").get(0).get("aliases").get(0).asString()).startsWith("vfio_pci:");
    }

    @Test
    void lsSpeaksJsonThatScriptsCanRelyOn() {
        JsonNode json = JsonMapper.builder()
                .build()
                .readTree(Cli.run("ls", "-o", "json").out());
        assertThat(json.get("apiVersion").asString()).isEqualTo("vfio4j/v1");
        assertThat(json.get("kind").asString()).isEqualTo("Function");
        JsonNode function = null;
        for (JsonNode item : json.get("items")) {
            function = item.get("function").get("socket").asString().equals(socket) ? item.get("function") : function;
        }
        assertThat(function).isNotNull();
        assertThat(function.get("vfioDevice").asString()).startsWith("vfio");
        assertThat(function.get("irqs").get(1).get("count").asInt()).isEqualTo(4); // three queues and the configuration
        assertThat(function.get("candidates").get(0).asString()).isEqualTo("vfio-pci");
    }

    @Test
    void treeShowsDriverDeviceAndSocketBelowTheFunction() {
        Cli tree = Cli.run("tree");
        assertThat(tree.exitCode()).isZero();
        assertThat(tree.out())
                .containsSubsequence(
                        "pid " + ProcessHandle.current().pid(), "0000:00:01.0", "vfio-pci", "vfio0", socket);
    }

    @Test
    void showFindsAFunctionByAddressDeviceAndSocket() {
        for (String id : new String[] {"0000:00:01.0", "00:01.0", "vfio0", socket}) {
            Cli show = Cli.run(
                    "show", id, "--pid", Long.toString(ProcessHandle.current().pid()));
            assertThat(show.exitCode()).as(id + show.err()).isZero();
            assertThat(show.out())
                    .contains("MSI-X, 4 vectors, disabled")
                    .contains("BAR4")
                    .contains("16 KiB")
                    .contains("INTx")
                    .contains("driver_override vfio-pci, VFIO drivers that match: vfio-pci")
                    .containsPattern("10 +bus-master +set");
        }
    }

    @Test
    void showOfNothingSaysSo() {
        Cli show = Cli.run("show", "0000:ff:01.0");
        assertThat(show.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(show.errorLines())
                .containsExactly("vfio: show: no function 0000:ff:01.0 in a serving process", "try: vfio ls");
    }

    @Test
    void clearsAwayWhatADeadProcessLeft() throws IOException {
        Path dead = Files.createDirectory(ServerDirectory.parent().resolve("dead-" + System.nanoTime()));
        Files.createFile(dead.resolve("lock"));
        Files.writeString(dead.resolve("server.json"), "{\"pid\":1,\"sysfs\":\"\",\"functions\":[]}");
        assertThat(Cli.run("tree").out()).doesNotContain("pid 1\n");
        assertThat(dead).doesNotExist();
    }

    @Test
    void leavesAProcessAloneThatHasNoLockYet() throws IOException {
        Path starting = Files.createDirectory(ServerDirectory.parent().resolve(".starting-" + System.nanoTime()));
        Files.createFile(starting.resolve("lock"));
        assertThat(Cli.run("ls").exitCode()).isZero();
        assertThat(starting.resolve("lock")).exists();
        Files.delete(starting.resolve("lock"));
        Files.delete(starting);
    }

    @Test
    void neitherBelievesNorDeletesWhatAnotherUserPutThere() throws IOException {
        Path others = Files.createDirectory(directory.resolve("others"));
        Path left = Files.createDirectory(others.resolve("1"));
        Files.createFile(left.resolve("lock"));
        try {
            Files.setOwner(
                    others,
                    others.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("nobody"));
        } catch (IOException e) {
            Assumptions.abort("NOT TESTED: giving a directory to another user needs root");
        }
        assertThatThrownBy(() -> ServerDirectory.servers(others))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EACCES));
        assertThat(left).isDirectory();
    }

    @Test
    void passesOverAProcessThatBeginsJustNow() throws IOException {
        Files.delete(own.sysfs().resolveSibling("server.json"));
        assertThat(Cli.run("ls").out()).doesNotContain(socket);
        Files.writeString(own.sysfs().resolveSibling("server.json"), "{\"pid\":");
        assertThat(Cli.run("ls").exitCode()).isZero();
    }
}
