package org.vfio4j.cli.machine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDeviceId;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.FunctionPart;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.Disks;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.device.Placed;
import org.vfio4j.cli.inspect.TreeText;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedBridge;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.sysfsfuse.SysfsTree;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A DPU's shape: bridges, a function whose driver makes auxiliary devices, and a disk that one of these is about. */
class AuxiliaryMachineTest {

    private static final String PID = Long.toString(ProcessHandle.current().pid());
    private static final String PART = "core.vfio_pci.2048";
    private static final String ALONE = "core.eth.7";

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();
    private Optional<ServerControl> control = Optional.empty();
    private Path socket = Path.of("");

    @BeforeEach
    void serve() {
        socket = directory.resolve("snap.sock");
        machine.bus().register(new Core());
        machine.bus().auxiliary().register(new PartDriver());
        MachineFunction disk = machine.addAll(new Dpu(), PciAddress.parse("00:02.0"), Optional.empty())
                .getFirst();
        disk.serve(new Endpoint.AtPath(socket), VfioUserServerOptions.DEFAULTS);
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
    void treeDrawsBridgesFunctionsPartsAndSockets() {
        ServerState state = control.orElseThrow().state();
        String expected = """
                pid PID
                └─ 0000:00:02.0  [1b36:000c] upstream-port, buses 05-08
                   ├─ 0000:05:00.0  [15b3:a2d7] core, a DPU
                   │  ├─ core
                   │  ├─ core.vfio_pci.2048, part-driver → 0000:08:00.0
                   │  └─ core.eth.7, (no driver)
                   └─ 0000:05:01.0  [104c:8233] downstream-port, bus 08
                      └─ 0000:08:00.0  [1af4:1042] virtio-blk, 1 MiB, memory
                         └─ vfio-pci of core.vfio_pci.2048
                            └─ vfio0
                               └─ SOCKET
                """.replace("PID", PID).replace("SOCKET", socket.toString());
        assertThat(TreeText.of(state, StandardCharsets.UTF_8)).isEqualTo(expected);
        assertThat(TreeText.of(state, StandardCharsets.US_ASCII))
                .isEqualTo(expected.replace("└─", "`-")
                        .replace("├─", "|-")
                        .replace("│", "|")
                        .replace("→", "->"));
    }

    @Test
    void jsonTellsTheSame() {
        JsonNode server = JsonMapper.builder()
                .build()
                .readTree(Cli.run("tree", "-o", "json").out())
                .get("items")
                .valueStream()
                .filter(item -> item.get("pid").asString().equals(PID))
                .findFirst()
                .orElseThrow();
        assertThat(server.get("bridges").get(1).get("parent").asString()).isEqualTo("0000:00:02.0");
        assertThat(server.get("bridges").get(1).get("secondaryBus").asInt()).isEqualTo(8);
        assertThat(server.get("auxiliary").get(0).get("function").asString()).isEqualTo("0000:08:00.0");
        assertThat(server.get("functions").get(0).get("auxiliary").asString()).isEqualTo(PART);
        assertThat(server.get("functions").get(1).get("serving").asString()).isEqualTo("no");
    }

    @Test
    void showTakesAnAuxiliaryDevicesName() {
        Cli ofFunction = run("show", PART);
        assertThat(ofFunction.exitCode()).as(ofFunction.err()).isZero();
        assertThat(ofFunction.out())
                .startsWith("0000:08:00.0 virtio-blk")
                .contains("behind bridge 0000:05:01.0", "auxiliary device " + PART, "socket " + socket);
        Cli alone = run("show", ALONE);
        assertThat(alone.out()).contains(ALONE + ", auxiliary device", "part of 0000:05:00.0", "no driver");
        assertThat(run("show", "core.eth.8").exitCode()).isEqualTo(ExitCode.NOT_FOUND);
    }

    @Test
    void anAuxiliaryDeviceIsUnboundAndBoundWithItsFunction() {
        Cli unbound = run("unbind", PART);
        assertThat(unbound.exitCode()).as(unbound.err()).isZero();
        assertThat(socket).doesNotExist();
        assertThat(machine.bus().auxiliary().device(PART).driver()).isEmpty();
        assertThat(TreeText.of(control.orElseThrow().state(), StandardCharsets.UTF_8))
                .contains("(no driver) of " + PART);
        assertThat(run("unbind", PART).exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        Cli bound = run("bind", PART);
        assertThat(bound.exitCode()).as(bound.err()).isZero();
        assertThat(machine.bus().auxiliary().device(PART).driver()).isPresent();
        assertServes();
        assertThat(run("bind", PART).exitCode()).isEqualTo(ExitCode.BUSY);
    }

    @Test
    void anAuxiliaryDeviceOfNoFunctionIsBoundByItself() {
        assertThat(run("bind", ALONE).exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(run("bind", ALONE).errorLines()[0]).contains("no driver matches auxiliary:core.eth");
        machine.bus().auxiliary().register(new EthDriver());
        // What a driver did by itself is told with the next request.
        assertThat(run("unbind", PART).exitCode()).isZero();
        Cli unbound = run("unbind", ALONE);
        assertThat(unbound.out()).as(unbound.err()).isEqualTo(ALONE + " unbound from eth\n");
        assertThat(run("bind", ALONE).out()).isEqualTo(ALONE + " bound to eth\n");
        assertThat(run("bind", ALONE, "--driver", "part-driver").exitCode()).isEqualTo(ExitCode.BUSY);
    }

    @Test
    void theParentsDriverGoesAfterTheUsersOfItsParts() {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            assertThat(client.info().numRegions()).isPositive();
            Cli busy = run("unbind", "0000:05:00.0", "--timeout", "0.2");
            assertThat(busy.exitCode()).as(busy.err()).isEqualTo(ExitCode.BUSY);
            assertThat(machine.bus().auxiliary().device(PART).driver()).isPresent();
            assertThat(client.info().numRegions()).isPositive();
        }
        assertServes();
        Cli unbound = run("unbind", "0000:05:00.0");
        assertThat(unbound.exitCode()).as(unbound.err()).isZero();
        assertThat(socket).doesNotExist();
        assertThat(machine.bus().auxiliary().devices()).isEmpty();
        assertThat(own.sysfs().resolve("sys/bus/auxiliary/devices")).isEmptyDirectory();
        machine.bus().bind(machine.bus().device(PciAddress.parse("05:00.0")), "core");
        assertThat(Files.exists(own.sysfs().resolve("sys/bus/auxiliary/devices").resolve(PART)))
                .isTrue();
    }

    @Test
    void writesInTheTreeDoTheSameToAPartAndToItsParent() {
        write("bus/auxiliary/drivers/part-driver/unbind", PART);
        assertThat(socket).doesNotExist();
        assertThat(machine.bus().auxiliary().device(PART).driver()).isEmpty();
        write("bus/auxiliary/drivers/part-driver/bind", PART);
        assertServes();
        write("bus/pci/drivers/core/unbind", "0000:05:00.0");
        assertThat(socket).doesNotExist();
        assertThat(machine.bus().auxiliary().devices()).isEmpty();
        write("bus/pci/drivers_probe", "0000:05:00.0");
        assertServes();
    }

    private void write(String path, String text) {
        FuseNode node =
                new SysfsTree(machine.bus(), machine.mdevs().bus(), new MachineActions(machine, () -> {})).root();
        for (String name : path.split("/")) {
            node = ((FuseNode.Directory) node).find(name).orElseThrow();
        }
        ((FuseNode.File) node).open().write(0, (text + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private void assertServes() {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            assertThat(client.info().numRegions()).isPositive();
        }
    }

    private static Cli run(String command, String id, String... more) {
        String[] words = new String[4 + more.length];
        System.arraycopy(new String[] {command, id, "--server", PID}, 0, words, 0, 4);
        System.arraycopy(more, 0, words, 4, more.length);
        return Cli.run(words);
    }

    private record Part(PciDevice function) implements FunctionPart {}

    /** A port of a switch, a function of the DPU's, and behind a further port the disk that it emulates. */
    private static final class Dpu implements DevicePlan {
        @Override
        public EmulatedDevice open(PciAddress address) {
            throw new AssertionError("it is more than one function");
        }

        @Override
        public List<Placed> openAll(PciAddress address, PciBus bus) {
            return List.of(
                    new Placed.Bridge(address, bridge(EmulatedBridge.Port.UPSTREAM, 0x1b36, 0xc, 0, 5, 8)),
                    new Placed.Bridge(
                            PciAddress.parse("05:01.0"),
                            bridge(EmulatedBridge.Port.DOWNSTREAM, 0x104c, 0x8233, 5, 8, 8)),
                    new Placed.Function(
                            PciAddress.parse("08:00.0"),
                            Disks.memory(1 << 20, 1, "SNAP").open(PciAddress.parse("08:00.0")),
                            Placed.Use.VFIO,
                            Optional.empty()),
                    new Placed.Function(
                            PciAddress.parse("05:00.0"),
                            new EmulatedDevice(
                                    "core",
                                    "a DPU",
                                    new EmulatedFunctionBuilder(0x15b3, 0xa2d7).build(new Nothing()),
                                    List.of()),
                            Placed.Use.NATIVE,
                            Optional.empty()));
        }

        private static EmulatedBridge bridge(EmulatedBridge.Port port, int vendor, int id, int at, int from, int to) {
            return new EmulatedBridge(vendor, id, port, new EmulatedBridge.Buses(at, from, to));
        }
    }

    /** The driver of the DPU's own function. */
    private static final class Core implements PciDriver {
        @Override
        public String name() {
            return "core";
        }

        @Override
        public List<PciDeviceId> idTable() {
            return List.of(PciDeviceId.of(0x15b3, 0xa2d7));
        }

        @Override
        public void probe(PciDevice device) {
            PciBus bus = device.bus();
            PciDevice disk = bus.device(PciAddress.parse("08:00.0"));
            bus.auxiliary().add(device, "core", "vfio_pci", 2048, new Part(disk));
            bus.auxiliary().add(device, "core", "eth", 7, "nothing");
        }

        @Override
        public void remove(PciDevice device) {}
    }

    /** Has the function of each part bound to vfio-pci. */
    private static final class PartDriver implements AuxiliaryDriver {
        @Override
        public String name() {
            return "part-driver";
        }

        @Override
        public List<AuxiliaryDeviceId> idTable() {
            return List.of(new AuxiliaryDeviceId("core.vfio_pci"));
        }

        @Override
        public void probe(AuxiliaryDevice device, AuxiliaryDeviceId id) {
            PciDevice function = device.data(Part.class).function();
            function.bus().setDriverOverride(function, Optional.of("vfio-pci"));
            function.bus().bind(function, "vfio-pci");
        }

        @Override
        public void remove(AuxiliaryDevice device, Duration limit) {
            PciDevice function = device.data(Part.class).function();
            function.bus().unbind(function, limit);
        }
    }

    private static final class EthDriver implements AuxiliaryDriver {
        @Override
        public String name() {
            return "eth";
        }

        @Override
        public List<AuxiliaryDeviceId> idTable() {
            return List.of(new AuxiliaryDeviceId("core.eth"));
        }

        @Override
        public void probe(AuxiliaryDevice device, AuxiliaryDeviceId id) {}

        @Override
        public void remove(AuxiliaryDevice device, Duration limit) {}
    }

    private static final class Nothing implements DeviceModel {
        @Override
        public void attachDma(DmaSpace space) {}

        @Override
        public void detachDma() {}

        @Override
        public void reset() {}

        @Override
        public void busMasterChanged(boolean enabled) {}
    }
}
