package org.vfio4j.cli.change;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.config.MachineFile;
import org.vfio4j.cli.config.MachineReader;
import org.vfio4j.cli.control.ControlSocket;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.load.VerifiedLoad;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.serve.MachinePlan;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Virtual functions of functions that a DPU is asked for while it serves. */
class SnapVirtualFunctionsTest {

    private static final String BY = "0000:07:00.0";
    private static final String PHYSICAL = "0000:08:00.4";
    private static final String FIRST = "0000:08:00.5";
    private static final String SECOND = "0000:08:00.6";
    private static final String ONE = "{settings: {memory: 1M}}";
    private static final int REQUESTS = 200;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();

    @TempDir
    private Path directory;

    private final Map<String, VerifiedLoad> loads = new HashMap<>();
    private final ServerControl control = ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty());

    /** The machine that is shipped, whose disk at 08:00.0 can have three virtual functions. */
    @BeforeEach
    void serve() {
        String text = MachineFile.read("shipped:bluefield")
                .text()
                .replace(
                        "snap-0.sock",
                        directory.resolve("p.sock") + "\n" + " ".repeat(16) + "virtual-functions: [" + ONE + ", " + ONE
                                + ", " + ONE + "]")
                .replace("snap-1.sock", directory.resolve("other.sock").toString());
        new MachinePlan(new MachineReader(new DeviceKinds()).read("m.yaml", text))
                .plugInto(machine, VfioUserServerOptions.DEFAULTS);
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

    @ParameterizedTest
    @ValueSource(strings = {"virtio-blk", "nvme"})
    void theyComeAndGoAsThoseOfAFile(String device) throws IOException {
        Path image = Files.write(directory.resolve("vf,0.img"), new byte[1 << 20]);
        Cli created = create(
                device,
                "memory=4M",
                "file=" + image.toString().replace(",", ",,") + ",socket-path=" + socket("vf0"),
                "memory=2M,socket-path=" + socket("vf1"));
        assertThat(created.exitCode()).as(created.err()).isZero();
        assertThat(created.out())
                .startsWith(PHYSICAL + " " + device + ", 4 MiB, memory: mlx5-vfio-pci of mlx5_core.vfio_pci.2052")
                .endsWith(", 0 of 2 virtual functions on\n");
        assertThat(socket("vf0")).doesNotExist();
        assertThat(run("show", FIRST).exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        for (int i = 0; i < 2; i++) {
            assertThat(run("sriov", PHYSICAL, "3").err()).contains("ERANGE", "vfio sriov " + PHYSICAL + " 2");
            Cli on = run("sriov", PHYSICAL, "2");
            assertThat(on.out()).as(on.err()).isEqualTo(PHYSICAL + " has 2 of 2 virtual functions on\n");
            writeAndVerify(device, "vf0", 1 << 20);
            writeAndVerify(device, "vf1", 2 << 20);
            writeAndVerify(device, "pf", 4 << 20);
            assertThat(run("show", FIRST).out())
                    .startsWith(FIRST + " " + device + ", virtual function of " + PHYSICAL + ", 1 MiB, file " + image)
                    .contains("driver mlx5-vfio-pci", "emulated by " + BY, "migration");
            assertThat(Cli.run("tree").out()).contains(PHYSICAL, FIRST, SECOND, socket("vf1") + "");
            assertThat(Cli.run("ls", "-o", "json").out())
                    .contains("\"physicalFunction\" : \"" + PHYSICAL + "\"")
                    .containsPattern("\"numVfs\" : 2,\\s+\"totalVfs\" : 2");
            assertThat(own.sysfs().resolve("devices").resolve(PHYSICAL).resolve("virtfn1"))
                    .exists();
            assertThat(run("sriov", PHYSICAL, "0").out()).isEqualTo(PHYSICAL + " has 0 of 2 virtual functions on\n");
            assertThat(socket("vf0")).doesNotExist();
        }
        assertThat(Files.readAllBytes(image)).isNotEqualTo(new byte[1 << 20]);
        assertThat(run("snap", "delete", PHYSICAL).exitCode()).isZero();
        assertNothingLeft();
    }

    /** As when the kernel's driver loses its function: its virtual ones are disabled first. */
    @Test
    void theyGoWithTheirFunctionOnceTheirUsersHave() {
        assertThat(create("virtio-blk", "memory=4M", "memory=1M,socket-path=" + socket("vf0"), "memory=1M")
                        .exitCode())
                .isZero();
        assertThat(run("sriov", PHYSICAL, "2").exitCode()).isZero();
        try (VfioUserClient client = connect("vf0")) {
            Cli busy = run("snap", "delete", PHYSICAL, "--timeout", "0.1");
            assertThat(busy.exitCode()).isEqualTo(ExitCode.BUSY);
            assertThat(busy.err()).contains("EBUSY", "a longer --timeout");
            assertThat(client.info().numRegions()).isPositive();
        }
        writeAndVerify("virtio-blk", "pf", 4 << 20);
        writeAndVerify("virtio-blk", "vf0", 1 << 20);
        Cli alone = run("snap", "delete", FIRST);
        assertThat(alone.exitCode()).isEqualTo(ExitCode.UNSUPPORTED);
        assertThat(alone.err())
                .contains("it goes with the others of " + PHYSICAL, "try: vfio sriov " + PHYSICAL + " 0");
        writeAndVerify("virtio-blk", "vf0", 1 << 20);
        Cli deleted = run("snap", "delete", PHYSICAL);
        assertThat(deleted.exitCode()).as(deleted.err()).isZero();
        assertThat(socket("vf0")).doesNotExist();
        assertNothingLeft();
    }

    @Test
    void theirPlacesAreTakenThoughTheyAreOff() {
        // The file's are at 08:00.1 to 3.
        Cli inTheWay = run("snap", "create", BY, "nvme", "memory=1M", "--address", "0000:08:00.2");
        assertThat(inTheWay.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(inTheWay.err())
                .contains("add 0000:08:00.2: it is for a virtual function of 0000:08:00.0", "another --address");
        // Beside 07:00.0 and 07:00.1: at 2 with 3 and 4, at 5 with 6 and 7, and then there is no room.
        for (String place : List.of("0000:07:00.2", "0000:07:00.5")) {
            Cli created = run(beside("memory=1M", "memory=1M"));
            assertThat(created.out()).as(created.err()).startsWith(place + " virtio-blk");
        }
        Cli full = run(beside("memory=1M"));
        assertThat(full.err()).contains("beside " + BY + " is free with room for 1 virtual functions", "ENOSPC");
        assertThat(run("snap", "delete", "0000:07:00.2").exitCode()).isZero();
        assertThat(run(beside("memory=1M")).out()).startsWith("0000:07:00.2");
        assertThat(run(beside()).out()).startsWith("0000:07:00.4");
    }

    @Test
    void whatIsRefusedLeavesNothingBehind() throws IOException {
        Path image = Files.write(directory.resolve("a.img"), new byte[1 << 20]);
        Path odd = Files.write(directory.resolve("odd.img"), new byte[1000]);
        String file = "file=" + image;
        assertRefused(ExitCode.NOT_FOUND, "none.img", file, "file=" + directory.resolve("none.img"));
        assertRefused(ExitCode.BUSY, image.toString(), file, file);
        assertRefused(ExitCode.FAILED, odd.toString(), file, "file=" + odd);
        assertRefused(ExitCode.USAGE, "virtual function 1: memory=", file, "memory=1X");
        assertRefused(ExitCode.USAGE, "virtual function 0: virtio-blk without storage", "queues=2", file);
        assertRefused(ExitCode.FAILED, "virtual function 1 has other BARs than number 0", file, "memory=1M,queues=256");
        // The link behind a port has eight functions.
        assertRefused(
                ExitCode.FAILED,
                "add 0000:08:01.0: the link behind 0000:06:01.0 has one device",
                file,
                "null=1M",
                "null=1M",
                "null=1M");
        assertRefused(
                ExitCode.FAILED,
                "its bus ends before it",
                Stream.generate(() -> "null=1M").limit(300).toArray(String[]::new));
        assertRefused(
                ExitCode.USAGE,
                "the limit is " + ControlSocket.MAX_REQUEST_BYTES,
                Stream.generate(() -> "null=1M,serial=" + "x".repeat(20))
                        .limit(2000)
                        .toArray(String[]::new));
        // Nobody has the image, and the place is free.
        Path inTheWay = Files.createFile(socket("vf1"));
        Cli created = create(
                "virtio-blk", "memory=4M", file + ",socket-path=" + socket("vf0"), "null=1M,socket-path=" + inTheWay);
        assertThat(created.exitCode()).as(created.err()).isZero();
        // A socket that cannot be made leaves none on.
        assertThat(run("sriov", PHYSICAL, "2").err()).contains(inTheWay.toString(), "EEXIST");
        assertThat(run("show", PHYSICAL).out()).contains("0 of 2 virtual functions are on");
        assertThat(socket("vf0")).doesNotExist();
    }

    private void assertRefused(int exitCode, String what, String... virtuals) {
        Cli refused = create("virtio-blk", "memory=4M", virtuals);
        assertThat(refused.exitCode()).as(refused.err()).isEqualTo(exitCode);
        assertThat(refused.errorLines()).hasSize(2);
        assertThat(refused.errorLines()[0]).contains(what);
        assertNothingLeft();
    }

    private void assertNothingLeft() {
        assertThat(machine.bus().devices().stream().map(PciDevice::name))
                .doesNotContain(PHYSICAL, FIRST, SECOND, "0000:08:00.7");
        assertThat(machine.functions()).hasSize(4);
        assertThat(machine.bus().auxiliary().devices()).hasSize(2);
        assertThat(socket("pf")).doesNotExist();
    }

    private Cli create(String device, String storage, String... virtuals) {
        List<String> words = new ArrayList<>(List.of("snap", "create", BY, device, storage, "--address", PHYSICAL));
        words.addAll(List.of("--socket-path", socket("pf").toString()));
        for (String virtual : virtuals) {
            words.addAll(List.of("--virtual-function", virtual));
        }
        return run(words.toArray(String[]::new));
    }

    private static String[] beside(String... virtuals) {
        List<String> words = new ArrayList<>(List.of("snap", "create", BY, "virtio-blk", "null=1M"));
        for (String virtual : virtuals) {
            words.addAll(List.of("--virtual-function", virtual));
        }
        return words.toArray(String[]::new);
    }

    private void writeAndVerify(String device, String socket, long bytes) {
        try (VfioUserClient client = connect(socket);
                DiskDriver driver = open(device, client)) {
            assertThat(driver.capacityBytes()).isEqualTo(bytes);
            VerifiedLoad load = new VerifiedLoad(driver, bytes);
            Optional.ofNullable(loads.put(socket, load)).ifPresent(load::goOnFrom);
            CompletableFuture<Void> running =
                    CompletableFuture.runAsync(load, task -> Thread.ofPlatform().start(task));
            while (load.completed.get() < REQUESTS && !running.isDone()) {
                LockSupport.parkNanos(1_000_000);
            }
            load.stop = true;
            running.join();
        }
    }

    private static DiskDriver open(String device, VfioUserClient client) {
        return device.equals("nvme")
                ? NvmeDriver.open(client, NvmeOptions.DEFAULTS.withBufferBytes(VerifiedLoad.bufferBytes()))
                : VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS.withBufferBytes(VerifiedLoad.bufferBytes()));
    }

    private VfioUserClient connect(String name) {
        return VfioUserClient.connect(socket(name), VfioUserClientOptions.DEFAULTS);
    }

    private Path socket(String name) {
        return directory.resolve(name);
    }

    private static Cli run(String... words) {
        List<String> all = new ArrayList<>(List.of(words));
        all.addAll(List.of("--server", Long.toString(ProcessHandle.current().pid())));
        return Cli.run(all.toArray(String[]::new));
    }
}
