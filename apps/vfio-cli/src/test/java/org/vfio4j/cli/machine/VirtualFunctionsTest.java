package org.vfio4j.cli.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.config.MachineReader;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.load.DiskExercise;
import org.vfio4j.cli.serve.MachinePlan;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Virtual functions of a DPU's emulated functions: turned on and off at run time, each served by itself. */
class VirtualFunctionsTest {

    private static final String PHYSICAL = "0000:08:00.0";
    private static final String FIRST = "0000:08:00.1";
    private static final String SECOND = "0000:08:00.2";
    private static final String NVME = "0000:09:00.0";

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();

    @TempDir
    private Path directory;

    private ServerControl control = ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty());

    @BeforeEach
    void serve() {
        plug(machine, "numvfs: 1");
        control.publishChange();
    }

    @AfterEach
    void release() {
        control.close();
        machine.close();
        own.close();
        assertThat(machine.bus().devices()).isEmpty();
        before.assertNone();
    }

    @Test
    void theyComeAndGoByCommand() {
        // From the file.
        fillAndVerify("p.1");
        assertThat(directory.resolve("p.2")).doesNotExist();
        assertThat(run("sriov", PHYSICAL, "2").err())
                .contains("set sriov_numvfs", "EBUSY", "vfio sriov " + PHYSICAL + " 0");
        assertThat(run("sriov", PHYSICAL, "0").out()).isEqualTo(PHYSICAL + " has 0 of 2 virtual functions on\n");
        assertThat(directory.resolve("p.1")).doesNotExist();
        assertThat(run("sriov", PHYSICAL, "3").err()).contains("ERANGE", "vfio sriov " + PHYSICAL + " 2");
        Cli on = run("sriov", PHYSICAL, "2");
        assertThat(on.out()).as(on.err()).isEqualTo(PHYSICAL + " has 2 of 2 virtual functions on\n");
        fillAndVerify("p.1");
        fillAndVerify("p.2");
        fillAndVerify("p");
        assertThat(run("show", SECOND).out())
                .startsWith(SECOND + " virtio-blk, virtual function of " + PHYSICAL + ", 2 MiB, memory\n")
                .contains("driver mlx5-vfio-pci", "virtual function of " + PHYSICAL, "migration");
        assertThat(run("show", PHYSICAL).out()).contains("2 of 2 virtual functions are on");
        assertThat(run("sriov", "0000:07:00.0", "1").err()).contains("ENOENT", "virtual-functions in the file");
    }

    @Test
    void aClientIsAskedToGoAndWaitedFor() {
        try (VfioUserClient client = connect("p.1")) {
            Cli busy = run("sriov", PHYSICAL, "0", "--timeout", "0.1");
            assertThat(busy.exitCode()).isEqualTo(ExitCode.BUSY);
            assertThat(busy.err()).contains("EBUSY", "--timeout");
            assertThat(client.info().numRegions()).isPositive();
        }
        assertThat(run("sriov", PHYSICAL, "0").exitCode()).isZero();
    }

    @Test
    void thoseOfNvmeAreControllersOfTheirOwn() {
        Cli on = run("sriov", NVME, "2");
        assertThat(on.exitCode()).as(on.err()).isZero();
        for (String socket : List.of("n", "n.1", "n.2")) {
            try (VfioUserClient client = connect(socket);
                    NvmeDriver driver = NvmeDriver.open(client, NvmeOptions.DEFAULTS)) {
                assertThat(driver.namespace().capacityBytes()).isEqualTo(socket.equals("n") ? 4 << 20 : 1 << 20);
            }
        }
    }

    @Test
    void theyGoWithTheirPhysicalFunctionAndItsDriver() {
        assertThat(run("unbind", PHYSICAL).exitCode()).isZero();
        assertThat(machine.functions()).noneMatch(function -> isAt(function, FIRST));
        assertThat(directory.resolve("p.1")).doesNotExist();
        assertThat(run("bind", PHYSICAL).exitCode()).isZero();
        assertThat(run("sriov", PHYSICAL, "2").exitCode()).isZero();
        fillAndVerify("p.2");
        assertThat(run("snap", "delete", PHYSICAL).exitCode()).isZero();
        assertThat(machine.functions()).noneMatch(function -> isAt(function, SECOND));
        assertThat(directory.resolve("p.2")).doesNotExist();
    }

    @Test
    void aSocketThatCannotBeMadeLeavesNoneOn() throws Exception {
        Files.writeString(directory.resolve("p.2"), "in the way");
        assertThat(run("sriov", PHYSICAL, "0").exitCode()).isZero();
        Cli refused = run("sriov", PHYSICAL, "2");
        assertThat(refused.err()).contains("p.2", "EEXIST");
        assertThat(run("show", PHYSICAL).out()).contains("0 of 2 virtual functions are on");
        assertThat(directory.resolve("p.1")).doesNotExist();
        Files.delete(directory.resolve("p.2"));
        assertThat(run("sriov", PHYSICAL, "2").exitCode()).isZero();
    }

    @Test
    void aFileThatMakesNoSenseIsRefused() {
        assertThatThrownBy(() -> plug(new Machine(), "numvfs: 3")).hasMessageContaining("the limits are 0 and 2");
        assertThatThrownBy(() -> new MachineReader(new DeviceKinds()).read("m.yaml", """
                apiVersion: vfio4j/v1
                kind: Machine
                devices:
                  - device: i40e-vf
                    address: 0000:00:01.0
                    virtual-functions:
                      - settings: {}
                """))
                .hasMessageContaining("i40e-vf has none");
    }

    private void plug(Machine into, String numVfs) {
        String text = """
                apiVersion: vfio4j/v1
                kind: Machine
                devices:
                  - device: bluefield
                    address: 0000:07:00.0
                  - device: virtio-blk
                    address: 0000:08:00.0
                    emulated-by: 0000:07:00.0
                    settings: {memory: 4M}
                    socket-path: DIR/p
                    virtual-functions:
                      - settings: {memory: 1M}
                        socket-path: DIR/p.1
                      - settings: {memory: 2M}
                        socket-path: DIR/p.2
                    NUMVFS
                  - device: nvme
                    address: 0000:09:00.0
                    emulated-by: 0000:07:00.1
                    settings: {memory: 4M, queues: 2}
                    socket-path: DIR/n
                    virtual-functions:
                      - settings: {memory: 1M, queues: 2}
                        socket-path: DIR/n.1
                      - settings: {memory: 1M, queues: 2}
                        socket-path: DIR/n.2
                """.replace("DIR", directory.toString()).replace("NUMVFS", numVfs);
        new MachinePlan(new MachineReader(new DeviceKinds()).read("m.yaml", text))
                .plugInto(into, VfioUserServerOptions.DEFAULTS);
    }

    private void fillAndVerify(String socket) {
        VirtioBlkOptions options = VirtioBlkOptions.DEFAULTS.withBufferBytes(DiskExercise.bufferBytes());
        try (VfioUserClient client = connect(socket);
                VirtioBlkDriver driver = VirtioBlkDriver.open(client, options)) {
            DiskExercise disk = new DiskExercise(driver);
            disk.fill(at -> {});
            disk.verify(at -> {});
        }
    }

    private VfioUserClient connect(String socket) {
        return VfioUserClient.connect(directory.resolve(socket), VfioUserClientOptions.DEFAULTS);
    }

    private static boolean isAt(MachineFunction function, String address) {
        return function.device().address().equals(PciAddress.parse(address));
    }

    private static Cli run(String... words) {
        return Cli.run(words);
    }
}
