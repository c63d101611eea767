package org.vfio4j.cli.mdevctl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.MttyKind;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.mdev.MdevDefinitions;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vfio mdev} on a serving process that has the parent mtty. */
class MdevCommandTest {

    private static final String A = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
    private static final String B = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002";

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final List<AutoCloseable> running = new ArrayList<>();
    private Path definitions = Path.of("");

    @BeforeEach
    void serve() {
        definitions = directory.resolve("mdev.d");
        start();
    }

    @AfterEach
    void release() {
        stop();
        own.close();
        before.assertNone();
    }

    private void start() {
        Machine machine = new Machine();
        running.add(machine);
        machine.mdevs().add(new MttyKind().plan(List.of()));
        machine.mdevs().startDefined(new MdevDefinitions(definitions));
        running.add(ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty()));
    }

    private void stop() {
        running.reversed().forEach(Closing::quietly);
        running.clear();
    }

    @Test
    void typesSayWhatIsLeft() throws IOException {
        assertThat(mdev("types").out())
                .contains("PARENT  TYPE    AVAILABLE  API       NAME")
                .contains("mtty    mtty-2  12         vfio-pci  Dual port serial");
        startTransient(A, "mtty-2");
        JsonNode type = json(mdev("types", "--parent", "mtty", "-o", "json"))
                .path("items")
                .path(0);
        assertThat(type.path("type").asString("")).isEqualTo("mtty-1");
        assertThat(type.path("availableInstances").asInt()).isEqualTo(22);
        assertThat(json(mdev("types", "--parent", "other", "-o", "json")).path("items"))
                .isEmpty();
    }

    @Test
    void whatLooksAtDevicesShowsItToo() {
        assertThat(Cli.run("ls").out()).doesNotContain(A);
        startTransient(A, "mtty-2");
        assertThat(Cli.run("ls").out())
                .containsPattern(A + " +- +vfio-mdev +vfio\\d+ +mtty-2 +Dual port serial, of mtty +\\d+ +/");
        JsonNode ls = json(Cli.run("ls", "-o", "json"));
        assertThat(ls.path("kind").asString("")).isEqualTo("Function");
        assertThat(ls.path("items").findValuesAsString("uuid")).isEmpty();
        assertThat(ls.path("mdevs").findValuesAsString("uuid")).contains(A);
        assertThat(Cli.run("tree").out()).contains("mtty, parent of mdevs", A + "  mtty-2, Dual port serial");
        assertThat(Cli.run("show", A).out())
                .contains(A + " mtty-2, Dual port serial", "made of mtty", "BAR0", "config", "INTx");
        JsonNode shown = json(Cli.run("show", A, "-o", "json"));
        assertThat(shown.path("kind").asString("")).isEqualTo("MdevDevice");
        assertThat(shown.path("items").findValuesAsString("parent")).contains("mtty");
        mdev("stop", "-u", A);
        assertThat(Cli.run("ls").out()).doesNotContain(A);
    }

    @Test
    void aTransientOneIsServedUntilItIsStopped() {
        Path socket = directory.resolve("card.sock");
        Cli started = mdev("start", "-u", A, "-p", "mtty", "-t", "mtty-1", "--socket-path", socket.toString());
        assertThat(started.err()).isEmpty();
        assertThat(started.out()).isEqualTo(A + " mtty mtty-1 at " + socket + "\n");
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            assertThat(client.info().numRegions()).isEqualTo(9);
            assertRefused(mdev("stop", "-u", A, "--timeout", "0.1"), ExitCode.BUSY, "--timeout");
            assertThat(client.regionInfo(0).sizeBytes()).isEqualTo(8);
        }
        // It was kept, and is served still.
        VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS).close();
        assertThat(mdev("list").out()).contains(A, "mtty-1", "vfio0", socket.toString());
        assertThat(mdev("stop", "-u", A).out()).isEqualTo(A + " stopped\n");
        assertThat(socket).doesNotExist();
        assertThat(mdev("list", "--definitions", definitions.toString()).out()).isEmpty();
    }

    @Test
    void aUuidIsMadeWhenNoneIsGiven() {
        String uuid = mdev("start", "-p", "mtty", "-t", "mtty-1").out().split(" ")[0];
        assertThat(UUID.fromString(uuid).version()).isEqualTo(4);
        assertThat(ServerDirectory.parent().resolve("mdev").resolve(uuid + ".sock"))
                .exists();
    }

    @Test
    void refusesWhatMakesNoSense() {
        assertRefused(mdev("start", "-u", A), ExitCode.NOT_FOUND, "vfio mdev list --defined");
        assertRefused(mdev("start", "-u", "nonsense", "-p", "mtty", "-t", "mtty-1"), ExitCode.USAGE, "uuidgen");
        assertRefused(mdev("start", "-t", "mtty-1"), ExitCode.USAGE, "vfio mdev types");
        assertRefused(mdev("start", "-p", "none", "-t", "none-1"), ExitCode.NOT_FOUND, "vfio serve mtty");
        assertRefused(mdev("start", "-p", "mtty", "-t", "mtty-9"), ExitCode.NOT_FOUND, "vfio mdev types");
        assertRefused(mdev("stop", "-u", A), ExitCode.NOT_FOUND, "vfio mdev list");
        assertRefused(mdev("stop"), ExitCode.USAGE, "vfio mdev list");
        assertRefused(mdev("undefine", "-u", A), ExitCode.NOT_FOUND, "--defined");
        assertRefused(mdev("modify", "-u", A, "--auto"), ExitCode.NOT_FOUND, "--defined");
        assertRefused(mdev(), ExitCode.USAGE, "vfio mdev list");
        startTransient(A, "mtty-1");
        Cli twice = mdev("start", "-u", A, "-p", "mtty", "-t", "mtty-2");
        assertRefused(twice, ExitCode.FAILED, "vfio mdev list");
        assertThat(twice.err()).startsWith("vfio: mdev start: create mdev " + A).contains("EEXIST");
    }

    @Test
    void noneLeftIsSaid() {
        for (int i = 0; i < 12; i++) {
            startTransient(new UUID(1, i).toString(), "mtty-2");
        }
        Cli refused = mdev("start", "-p", "mtty", "-t", "mtty-1");
        assertRefused(refused, ExitCode.FAILED, "vfio mdev types");
        assertThat(refused.err()).contains("0 of 24 are left", "EUSERS");
    }

    @Test
    void anAttributeThatIsRefusedLeavesNoMdev() {
        assertRefused(
                mdev("start", "-p", "mtty", "-t", "mtty-1", "--attr", "port0/peer=nonsense"),
                ExitCode.FAILED,
                "vfio mdev types");
        assertRefused(
                mdev("start", "-p", "mtty", "-t", "mtty-1", "--attr", "port7/peer=none"),
                ExitCode.NOT_FOUND,
                "vfio mdev types");
        assertRefused(mdev("start", "-p", "mtty", "-t", "mtty-1", "--attr", "port0"), ExitCode.USAGE, "--attr");
        assertThat(mdev("types").out()).contains("mtty-1  24");
    }

    @Test
    void aDefinitionIsAFileOfMdevctls() throws IOException {
        Cli defined = defined("define", "-u", A, "-p", "mtty", "-t", "mtty-2", "--attr", "port1/peer=none");
        assertThat(defined.out()).isEqualTo(A + "\n");
        Path file = definitions.resolve("mtty").resolve(A);
        JsonNode json = JsonMapper.builder().build().readTree(Files.readString(file));
        assertThat(json.toString())
                .isEqualTo("{\"mdev_type\":\"mtty-2\",\"start\":\"manual\",\"attrs\":[{\"port1/peer\":\"none\"}]}");
        assertRefused(
                defined("define", "-u", A, "-p", "mtty", "-t", "mtty-1"),
                ExitCode.FAILED,
                "vfio mdev modify --uuid " + A);
        assertThat(defined("list", "-d").out()).contains(A, "manual");

        assertThat(defined("start", "-u", A).exitCode()).isZero();
        assertThat(defined("list", "-v").out()).contains(A + " port1/peer=none", A + " port0/peer=loopback");
        assertThat(json(defined("list", "-d", "-o", "json"))
                        .path("items")
                        .path(0)
                        .path("active")
                        .asBoolean())
                .isTrue();

        defined("modify", "-u", A, "--auto", "--addattr", "port0/peer", "--value", "none", "-i", "0");
        assertThat(Files.readString(file)).contains("\"auto\"").containsSubsequence("port0/peer", "port1/peer");
        defined("modify", "-u", A, "--delattr", "-t", "mtty-1", "-m");
        assertThat(Files.readString(file)).contains("mtty-1", "manual").doesNotContain("port1/peer");
        assertRefused(defined("modify", "-u", A, "--delattr", "-i", "4"), ExitCode.USAGE, "vfio mdev list");
        assertRefused(defined("modify", "-u", A), ExitCode.USAGE, "vfio mdev modify --help");
        assertThat(defined("undefine", "-u", A).exitCode()).isZero();
        assertThat(file).doesNotExist();
        // What is there stays.
        assertThat(defined("list").out()).contains(A);
    }

    @Test
    void definitionsMarkedAutoComeBackWithTheServer() throws IOException {
        defined("define", "-u", A, "-p", "mtty", "-t", "mtty-2", "--auto", "--attr", "port0/peer=none");
        defined("define", "-u", B, "-p", "mtty", "-t", "mtty-1");
        defined("define", "-p", "other", "-t", "other-1", "--auto");
        Files.writeString(definitions.resolve("mtty").resolve("83b8f4f2-509f-382f-3c1e-e6bfe0fa1003"), "{");
        assertThat(defined("list").out()).isEmpty();
        stop();
        start();
        JsonNode items = json(defined("list", "-o", "json")).path("items");
        assertThat(items).hasSize(1);
        assertThat(items.path(0).path("uuid").asString("")).isEqualTo(A);
        assertThat(items.path(0).path("start").asString("")).isEqualTo("auto");
        assertThat(defined("list", "-v").out()).contains(A + " port0/peer=none");
    }

    @Test
    void aFileAndAnActiveOneCanBeDefinedToo() throws IOException {
        Path file = directory.resolve("card.json");
        Files.writeString(file, "{\"mdev_type\": \"mtty-1\", \"start\": \"auto\", \"attrs\": []}");
        String uuid = defined("define", "-p", "mtty", "--jsonfile", file.toString())
                .out()
                .strip();
        assertThat(definitions.resolve("mtty").resolve(uuid)).exists();
        Files.writeString(file, "{\"mdev_type\": \"mtty-1\", \"begin\": \"auto\"}");
        Cli refused = defined("define", "-p", "mtty", "--jsonfile", file.toString());
        assertRefused(refused, ExitCode.USAGE, "docs/users/mdev.md");
        assertThat(refused.err()).contains("unknown field 'begin'");
        startTransient(B, "mtty-2");
        assertThat(defined("define", "-u", B).exitCode()).isZero();
        assertThat(Files.readString(definitions.resolve("mtty").resolve(B))).contains("mtty-2", "manual");
    }

    private void startTransient(String uuid, String type) {
        assertThat(mdev("start", "-u", uuid, "-p", "mtty", "-t", type).err()).isEmpty();
    }

    private static Cli mdev(String... words) {
        List<String> all = new ArrayList<>(List.of("mdev"));
        all.addAll(List.of(words));
        return Cli.run(all.toArray(String[]::new));
    }

    private Cli defined(String... words) {
        List<String> all = new ArrayList<>(List.of(words));
        all.addAll(List.of("--definitions", definitions.toString()));
        return mdev(all.toArray(String[]::new));
    }

    private static JsonNode json(Cli cli) {
        return JsonMapper.builder().build().readTree(cli.out());
    }

    private static void assertRefused(Cli cli, int exitCode, String hint) {
        assertThat(cli.exitCode()).as(cli.err()).isEqualTo(exitCode);
        assertThat(cli.out()).isEmpty();
        assertThat(cli.errorLines()).hasSize(2);
        assertThat(cli.errorLines()[1]).startsWith("try: ").contains(hint);
    }
}
