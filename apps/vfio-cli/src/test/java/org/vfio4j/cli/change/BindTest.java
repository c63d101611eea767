package org.vfio4j.cli.change;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
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
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vfio bind} and {@code vfio unbind} on a serving process. */
class BindTest {

    private static final String PID = Long.toString(ProcessHandle.current().pid());

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();
    private Optional<ServerControl> control = Optional.empty();
    private Path socket = Path.of("");

    @BeforeEach
    void serve() {
        socket = directory.resolve("disk.sock");
        machine.add(Disks.memory(1 << 20, 1, "ONE")).serve(new Endpoint.AtPath(socket), VfioUserServerOptions.DEFAULTS);
        machine.add(Disks.memory(1 << 20, 1, "TWO"))
                .serve(new Endpoint.AtPath(directory.resolve("two.sock")), VfioUserServerOptions.DEFAULTS);
        control = Optional.of(ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty()));
    }

    @AfterEach
    void release() {
        control.ifPresent(ServerControl::close);
        machine.close();
        own.close();
        before.assertNone();
    }

    @Test
    void refusesWhatIsNotThere() {
        assertRefused(unbind("0000:00:09.0"), ExitCode.NOT_FOUND, "vfio ls");
        assertRefused(bind("0000:00:01.0"), ExitCode.BUSY, "vfio unbind 0000:00:01.0");
        assertThat(unbind("0000:00:01.0").exitCode()).isZero();
        assertRefused(unbind("0000:00:01.0"), ExitCode.NOT_FOUND, "vfio bind 0000:00:01.0");
        assertRefused(bind(""), ExitCode.NOT_FOUND, "vfio ls");
        assertRefused(bind("no\0path"), ExitCode.USAGE, "LC_ALL=C.UTF-8");
        assertRefused(bind("0000:00:01.0", "--driver", "none"), ExitCode.NOT_FOUND, "vfio drivers");
        assertRefused(unbind("0000:00:02.0", "--timeout", "-1"), ExitCode.USAGE, "--timeout 30");
        assertRefused(unbind("0000:00:02.0", "--timeout", "1e9"), ExitCode.USAGE, "--timeout 30");
    }

    @Test
    void aFunctionWithoutADriverHasNoSocketUntilItIsBoundAgain() {
        Cli unbound = unbind("00:01.0");
        assertThat(unbound.exitCode()).as(unbound.err()).isZero();
        assertThat(unbound.out()).isEqualTo("0000:00:01.0 unbound from vfio-pci\n");
        assertThat(socket).doesNotExist();
        assertThat(function("0000:00:01.0").get("driver").asString()).isEmpty();
        assertThat(Cli.run("tree").out())
                .containsSubsequence("0000:00:01.0", "(no driver)", "0000:00:02.0", "vfio-pci");
        assertThat(Cli.run("show", "0000:00:01.0", "--server", PID).out())
                .contains("no driver", "while it has a driver");
        assertThat(own.sysfs().resolve("devices/0000:00:01.0/driver")).doesNotExist();
        assertServes(directory.resolve("two.sock"));

        Cli bound = bind("0000:00:01.0", "--driver", "vfio-pci");
        assertThat(bound.exitCode()).as(bound.err()).isZero();
        assertThat(bound.out()).contains("0000:00:01.0 bound to vfio-pci as vfio0", "listening on " + socket);
        assertServes(socket);
        assertThat(function("0000:00:01.0").get("driver").asString()).isEqualTo("vfio-pci");
    }

    @Test
    void jsonTellsWhatTheFunctionIsNow() {
        JsonNode unbound = JsonMapper.builder()
                .build()
                .readTree(unbind("0000:00:01.0", "-o", "json").out());
        assertThat(unbound.get("kind").asString()).isEqualTo("Function");
        JsonNode item = unbound.get("items").get(0);
        assertThat(item.get("pid").asString()).isEqualTo(PID);
        assertThat(item.get("function").get("driver").asString()).isEmpty();
        assertThat(item.get("function").get("regions").isEmpty()).isTrue();
    }

    @Test
    void aClientThatDoesNotLetGoKeepsItsDevice() {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            Cli busy = unbind("0000:00:01.0", "--timeout", "0.2");
            assertRefused(busy, ExitCode.BUSY, "--timeout");
            assertThat(busy.err()).contains("its user does not let go: EBUSY");
            assertThat(vendor(client)).isEqualTo((short) 0x1af4);
            assertThat(function("0000:00:01.0").get("driver").asString()).isEqualTo("vfio-pci");
        }
        assertServes(socket);
    }

    @Test
    void aClientIsAskedToLetGoAndTheFunctionIsFreeWhenItDoes() throws InterruptedException {
        VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
        try (Fd request = EventFd.create()) {
            client.setIrqs(VfioIrqSet.eventFds(
                    Vfio.VFIO_IRQ_SET_DATA_EVENTFD | Vfio.VFIO_IRQ_SET_ACTION_TRIGGER,
                    Vfio.VFIO_PCI_REQ_IRQ_INDEX,
                    0,
                    1,
                    List.of(request.dup())));
            Thread user = Thread.ofPlatform().start(() -> {
                Poll.poll(request.value(), Poll.POLLIN, Poll.FOREVER);
                client.close();
            });
            Cli unbound = unbind("0000:00:01.0", "--timeout", "60");
            assertThat(unbound.exitCode()).as(unbound.err()).isZero();
            user.join();
        }
        assertThat(socket).doesNotExist();
    }

    @Test
    void aFunctionIsChangedByOneAtATime() throws InterruptedException {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
                Fd request = EventFd.create()) {
            client.setIrqs(VfioIrqSet.eventFds(
                    Vfio.VFIO_IRQ_SET_DATA_EVENTFD | Vfio.VFIO_IRQ_SET_ACTION_TRIGGER,
                    Vfio.VFIO_PCI_REQ_IRQ_INDEX,
                    0,
                    1,
                    List.of(request.dup())));
            Thread first = Thread.ofPlatform().start(() -> unbind("0000:00:01.0", "--timeout", "60"));
            Poll.poll(request.value(), Poll.POLLIN, Poll.FOREVER);
            assertRefused(unbind("0000:00:01.0"), ExitCode.BUSY, "--timeout");
            client.close();
            first.join();
        }
        assertThat(socket).doesNotExist();
    }

    @Test
    void theEndOfTheProcessEndsAWaitForAClient() throws InterruptedException {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
                Fd request = EventFd.create()) {
            client.setIrqs(VfioIrqSet.eventFds(
                    Vfio.VFIO_IRQ_SET_DATA_EVENTFD | Vfio.VFIO_IRQ_SET_ACTION_TRIGGER,
                    Vfio.VFIO_PCI_REQ_IRQ_INDEX,
                    0,
                    1,
                    List.of(request.dup())));
            Thread waiting = Thread.ofPlatform().start(() -> unbind("0000:00:01.0", "--timeout", "3600"));
            Poll.poll(request.value(), Poll.POLLIN, Poll.FOREVER);
            control.ifPresent(ServerControl::close);
            control = Optional.empty();
            machine.close();
            waiting.join();
        }
        assertThat(socket).doesNotExist();
    }

    @Test
    void aSocketPathThatIsTakenMeanwhileLeavesTheFunctionWithoutADriver() {
        assertThat(unbind("0000:00:01.0").exitCode()).isZero();
        try (Fd other = UnixSocket.listen(socket, 1)) {
            assertThat(other.isOpen()).isTrue();
            assertRefused(bind("0000:00:01.0"), ExitCode.BUSY, "ls -l " + socket);
            assertThat(function("0000:00:01.0").get("driver").asString()).isEmpty();
        }
        assertThat(bind("0000:00:01.0").exitCode()).isZero();
        assertServes(socket);
    }

    @Test
    void aDriverThatMakesNoVfioDeviceLeavesTheFunctionWithoutADriver() {
        machine.bus().register(new NativeDriver());
        assertThat(unbind("0000:00:01.0").exitCode()).isZero();
        assertRefused(bind("0000:00:01.0", "--driver", "native"), ExitCode.NOT_FOUND, "vfio drivers");
        assertThat(function("0000:00:01.0").get("driver").asString()).isEmpty();
        assertThat(function("0000:00:01.0").get("driverOverride").asString()).isEqualTo("vfio-pci");
    }

    @Test
    void anAddressOfSeveralProcessesNeedsTheProcess() throws IOException {
        Path other = Files.createDirectory(ServerDirectory.parent().resolve("other-" + System.nanoTime()));
        Files.createFile(other.resolve("lock"));
        Files.writeString(
                other.resolve("server.json"),
                "{\"pid\":1,\"functions\":[{\"address\":\"0000:00:01.0\",\"kind\":\"virtio-blk\",\"description\":\"x\"}]}");
        try (Fd lock = FileIo.open(other.resolve("lock"), FileIo.O_RDWR)) {
            ErrnoException.check(FileIo.flock(lock, FileIo.LOCK_EX), "lock");
            Cli ambiguous = Cli.run("unbind", "0000:00:01.0");
            assertRefused(ambiguous, ExitCode.USAGE, "vfio unbind 0000:00:01.0 --server ");
            assertThat(ambiguous.err())
                    .contains("processes", "1 (virtio-blk, x)", PID + " (virtio-blk, 1 MiB, memory)");
            assertRefused(Cli.run("unbind", "0000:00:01.0", "--server", "1"), ExitCode.UNREACHABLE, "vfio ls");
        }
        assertThat(Cli.run("ls").exitCode()).isZero();
        assertThat(other).doesNotExist();
    }

    @Test
    void aRequestThatMakesNoSenseIsAnsweredWithAnError() {
        assertThat(request("nonsense")).contains("\"kind\":\"Error\"", "\"errno\":22");
        assertThat(request("[]")).contains("\"errno\":22");
        assertThat(request("null")).contains("\"errno\":22");
        assertThat(request("[".repeat(4000))).contains("\"errno\":22");
        assertThat(request("{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Unbind\",\"adress\":\"0000:00:01.0\"}"))
                .contains("\"errno\":22");
        assertThat(request("{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Unbind\",\"address\":\"x\"}"))
                .contains("\"errno\":19");
        assertThat(request("{\"apiVersion\":\"vfio4j/v2\",\"kind\":\"Unbind\",\"address\":\"0000:00:01.0\"}"))
                .contains("\"errno\":93", "there is vfio4j/v1");
        assertThat(request("{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Eject\",\"address\":\"0000:00:01.0\"}"))
                .contains("\"errno\":95");
        assertThat(
                        request(
                                "{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Unbind\",\"address\":\"0000:00:01.0\",\"timeoutMs\":-1}"))
                .contains("\"errno\":22");
        assertServes(socket);
    }

    /** A driver that does not give its devices to VFIO. */
    private static final class NativeDriver implements PciDriver {
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
    }

    private static Cli unbind(String id, String... more) {
        return run("unbind", id, more);
    }

    private static Cli bind(String id, String... more) {
        return run("bind", id, more);
    }

    private static Cli run(String command, String id, String... more) {
        String[] words = new String[4 + more.length];
        System.arraycopy(new String[] {command, id, "--server", PID}, 0, words, 0, 4);
        System.arraycopy(more, 0, words, 4, more.length);
        return Cli.run(words);
    }

    private String request(String line) {
        try (LineSocket client = new LineSocket(UnixSocket.connect(own.control()))) {
            client.write(line, 10_000_000_000L);
            return client.read(1 << 20, 10_000_000_000L, ns -> {});
        }
    }

    private static JsonNode function(String address) {
        JsonNode items = JsonMapper.builder()
                .build()
                .readTree(
                        Cli.run("show", address, "--server", PID, "-o", "json").out())
                .get("items");
        assertThat(items.size()).isEqualTo(1);
        return items.get(0).get("function");
    }

    private static void assertServes(Path socket) {
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

    private static void assertRefused(Cli cli, int exitCode, String hint) {
        assertThat(cli.exitCode()).as(cli.err()).isEqualTo(exitCode);
        assertThat(cli.out()).isEmpty();
        assertThat(cli.errorLines()).hasSize(2);
        assertThat(cli.errorLines()[1]).startsWith("try: ").contains(hint);
    }
}
