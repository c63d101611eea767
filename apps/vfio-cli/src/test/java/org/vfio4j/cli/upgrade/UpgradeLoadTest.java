package org.vfio4j.cli.upgrade;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.config.MachineReader;
import org.vfio4j.cli.control.SnapRequest;
import org.vfio4j.cli.device.BluefieldKind;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.load.RunningLoad;
import org.vfio4j.cli.load.VerifiedLoad;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.machine.UpgradeOffer;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.serve.MachinePlan;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * Machines take over one from another while clients write and read without a pause, and others try to and fail: each request completes once,
 * and each block has what was written last.
 */
@Timeout(180)
class UpgradeLoadTest {

    private static final int UPGRADES = 5;
    private static final String NETWORK_FUNCTION = "0000:07:00.0";
    private static final UUID DISK = UUID.fromString("83b8f4f2-509f-382f-3c1e-e6bfe0fa2001");
    private static final UUID CONTROLLER = UUID.fromString("83b8f4f2-509f-382f-3c1e-e6bfe0fa2002");

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final List<RunningLoad> clients = new ArrayList<>();
    private Optional<MachineUpgrades> machines = Optional.empty();

    @AfterEach
    void stop() {
        clients.forEach(RunningLoad::close);
        machines.ifPresent(MachineUpgrades::close);
        before.assertNone();
    }

    /** The second controller is there to refuse what the first has taken already. */
    @ParameterizedTest
    @CsvSource({
        "MAPPED, poll=always",
        "MAPPED, doorbells=mapped",
        "MAPPED, poll=always queues=2 threads=2",
        "SHADOW, poll=always",
        "SHADOW, queues=2 threads=2",
        "WRITTEN, poll=always"
    })
    void anNvmeDriverGoesOn(NvmeOptions.Doorbells doorbells, String settings) throws Exception {
        String nvme = "nvme memory=4M " + settings;
        String other = "nvme memory=1M doorbells=mapped";
        serve(controllers(nvme, other));
        RunningLoad load = connectNvme("a", doorbells);
        RunningLoad idle = connectNvme("b", NvmeOptions.Doorbells.MAPPED);
        for (int i = 0; i < UPGRADES; i++) {
            load.awaitMore();
            machines().giveUp(i % MachineUpgrades.STEPS);
            load.awaitMore();
            assertThatThrownBy(() -> upgrade(controllers(nvme, other + " queues=3")))
                    .hasMessageContaining("queue pairs");
            load.awaitMore();
            upgrade(controllers(nvme, other));
        }
        if (doorbells == NvmeOptions.Doorbells.MAPPED) {
            assertThatThrownBy(() -> upgrade(controllers(nvme + " doorbells=trapped", other)))
                    .hasMessageContaining("EINVAL");
        }
        load.finish();
        idle.finish();
        assertThat(machines().count()).isEqualTo(UPGRADES);
        // Who comes now maps the page that is used.
        load.close();
        RunningLoad next = connectNvme("a", doorbells, it -> it.goOnFrom(load.load()));
        next.awaitMore();
        next.finish();
    }

    @Test
    void virtualFunctionsGoOn() throws Exception {
        String two = "numvfs: 2";
        String none = "";
        serve(virtuals(two));
        // What is on is decided where it runs, and not by the description.
        machines().now().virtuals().set(function("0000:09:00.0"), 1, Duration.ZERO);
        List<RunningLoad> loads =
                List.of(connectVirtio("p"), connectVirtio("p.1"), connectVirtio("p.2"), connectNvme("n.1"));
        Path another = Files.write(directory.resolve("other.img"), new byte[1 << 20]);
        for (int i = 0; i < UPGRADES; i++) {
            loads.forEach(RunningLoad::awaitMore);
            machines().giveUp(i % MachineUpgrades.STEPS);
            loads.forEach(RunningLoad::awaitMore);
            // A virtual function is missing, or another one.
            assertThatThrownBy(() -> upgrade(plan(
                            text(none).replace("      - settings: {memory: 2M}\n        socket-path: DIR/p.2\n", ""))))
                    .hasMessageContaining("ERANGE");
            assertThatThrownBy(() -> upgrade(plan(text(none).replace("{memory: 2M}", "{file: " + another + "}"))))
                    .isInstanceOf(RuntimeException.class);
            loads.forEach(RunningLoad::awaitMore);
            upgrade(virtuals(i % 2 == 0 ? none : two));
        }
        loads.forEach(RunningLoad::finish);
        assertThat(machines().count()).isEqualTo(UPGRADES);
        assertThat(function("0000:09:00.1").isServed()).isTrue();
        assertThat(directory.resolve("n.2")).doesNotExist();
        loads.forEach(RunningLoad::close);
        // They come and go as before, and keep what is on them while they are off, also from one process to the next.
        MachineFunction physical = function("0000:08:00.0");
        machines().now().virtuals().set(physical, 0, Duration.ofSeconds(10));
        upgrade(virtuals(none));
        assertThat(directory.resolve("p.1")).doesNotExist();
        machines().now().virtuals().set(function("0000:08:00.0"), 2, Duration.ZERO);
        RunningLoad again =
                connectVirtio("p.2", load -> load.goOnFrom(loads.get(2).load()));
        again.awaitMore();
        again.finish();
    }

    @ParameterizedTest
    @ValueSource(strings = {"memory", "files"})
    void scalableFunctionsGoOn(String storage) throws Exception {
        Path files = Files.createDirectory(directory.resolve("files"));
        Path nothing = Files.createDirectory(directory.resolve("nothing"));
        MachineUpgrades.Plug dpu = dpu(storage.equals("files") ? files.toString() : storage, 4);
        serve(dpu);
        start(DISK, "virtio_blk_small");
        start(CONTROLLER, "nvme_small");
        List<RunningLoad> loads = List.of(connectVirtio(DISK.toString()), connectNvme(CONTROLLER.toString()));
        for (int i = 0; i < UPGRADES; i++) {
            loads.forEach(RunningLoad::awaitMore);
            machines().giveUp(i % MachineUpgrades.STEPS);
            loads.forEach(RunningLoad::awaitMore);
            assertThatThrownBy(() -> upgrade(dpu(storage.equals("files") ? files.toString() : storage, 1)))
                    .hasMessageContaining("1 functions needed");
            assertThatThrownBy(() -> upgrade((machine, anew) -> {
                        dpu.into(machine, anew);
                        // Takes the place of one that is to come.
                        machine.mdevs().start(definition(DISK, "nvme_small"), directory.resolve("elsewhere"));
                    }))
                    .hasMessageContaining(DISK.toString());
            loads.forEach(RunningLoad::awaitMore);
            upgrade(dpu);
        }
        loads.forEach(RunningLoad::finish);
        // On other storage they would be other disks.
        assertThatThrownBy(() -> upgrade(dpu(storage.equals("files") ? "memory" : nothing.toString(), 4)))
                .hasMessageContaining("disk in memory there");
        Files.deleteIfExists(nothing.resolve(DISK + ".img"));
        Files.deleteIfExists(nothing.resolve(CONTROLLER + ".img"));
        assertThat(machines().count()).isEqualTo(UPGRADES);
        loads.forEach(RunningLoad::close);
        Machine now = machines().now();
        assertThat(now.mdevs().types().getFirst().availableInstances()).isEqualTo(2);
        now.mdevs().stop(DISK, Duration.ofSeconds(10));
        assertThat(directory.resolve(DISK.toString())).doesNotExist();
        upgrade(dpu);
        assertThat(machines().now().mdevs().services()).hasSize(1);
        connectNvme(
                        CONTROLLER.toString(),
                        NvmeOptions.Doorbells.WRITTEN,
                        it -> it.goOnFrom(loads.get(1).load()))
                .finish();
        assertThat(nothing).isEmptyDirectory();
    }

    /** Drivers, limits, and functions that have ended. */
    @Test
    void whatWasChangedIsTheSameAfterwards() throws Exception {
        serve(virtuals("numvfs: 1"));
        Machine old = machines().now();
        function("0000:08:00.0").tuning().limit(1000, 1 << 20);
        function("0000:08:00.1").tuning().limit(0, 1 << 21);
        function("0000:08:00.1").unbind(Duration.ZERO);
        old.delete(function("0000:09:00.0"), Duration.ZERO);
        function("0000:07:00.1").unbind(Duration.ZERO);
        List<UpgradeOffer.Function> before = offers();
        assertThat(before).hasSize(4);
        for (int i = 0; i < 2; i++) {
            upgrade(virtuals("numvfs: 2"));
            assertThat(offers()).isEqualTo(before);
        }
        assertThat(directory.resolve("p.1")).doesNotExist();
        assertThat(directory.resolve("p.2")).doesNotExist();
        function("0000:08:00.1").bind(Optional.empty());
        connectVirtio("p.1").finish();
    }

    @Test
    void whatADpuWasAskedForGoesOn() throws Exception {
        serve(virtuals("numvfs: 0"));
        Path image = Files.write(directory.resolve("asked.img"), new byte[2 << 20]);
        ask("virtio-blk", "0000:08:00.4", "memory=2M");
        ask("nvme", "0000:08:00.5", "file=" + image);
        List<RunningLoad> loads = List.of(connectVirtio("0000:08:00.4"), connectNvme("0000:08:00.5"));
        upgradeUnder(loads);
        SnapRequest.delete("0000:08:00.4", 10_000).perform(machines().now());
        upgrade(virtuals("numvfs: 0"));
        assertThat(directory.resolve("0000:08:00.4")).doesNotExist();
        connectNvme(
                        "0000:08:00.5",
                        NvmeOptions.Doorbells.WRITTEN,
                        it -> it.goOnFrom(loads.get(1).load()))
                .finish();
    }

    @Test
    void whatADpuWasAskedForInThePlaceOfAnotherGoesOn() throws Exception {
        serve(virtuals("numvfs: 2"));
        SnapRequest.delete("0000:08:00.0", 10_000).perform(machines().now());
        ask("nvme", "0000:08:00.0", "memory=2M");
        List<RunningLoad> loads = List.of(connectNvme("0000:08:00.0"));
        loads.getFirst().awaitMore();
        upgrade(virtuals("numvfs: 2"));
        loads.getFirst().awaitMore();
        upgrade(virtuals("numvfs: 2"));
        loads.forEach(RunningLoad::finish);
        loads.forEach(RunningLoad::close);
        assertThat(directory.resolve("p")).doesNotExist();
    }

    /** On, off with something on them, and in a file that one process at a time has. */
    @Test
    void virtualFunctionsThatADpuWasAskedForGoOn() throws Exception {
        serve(virtuals("numvfs: 0"));
        Path image = Files.write(directory.resolve("asked.img"), new byte[2 << 20]);
        ask(
                "virtio-blk",
                "0000:08:00.4",
                "memory=2M",
                "virtual-function=memory=1M,socket-path=" + directory.resolve("v.1"),
                "virtual-function=file=" + image + ",socket-path=" + directory.resolve("v.2"));
        machines().now().virtuals().set(function("0000:08:00.4"), 2, Duration.ZERO);
        List<RunningLoad> loads = List.of(connectVirtio("0000:08:00.4"), connectVirtio("v.1"), connectVirtio("v.2"));
        upgradeUnder(loads);
        machines().now().virtuals().set(function("0000:08:00.4"), 0, Duration.ofSeconds(10));
        upgrade(virtuals("numvfs: 0"));
        assertThat(directory.resolve("v.1")).doesNotExist();
        machines().now().virtuals().set(function("0000:08:00.4"), 2, Duration.ZERO);
        for (int i = 1; i <= 2; i++) {
            RunningLoad last = loads.get(i);
            RunningLoad again = connectVirtio("v." + i, load -> load.goOnFrom(last.load()));
            again.awaitMore();
            again.close();
        }
        SnapRequest.delete("0000:08:00.4", 10_000).perform(machines().now());
        upgrade(virtuals("numvfs: 0"));
        assertThat(directory.resolve("v.1")).doesNotExist();
        assertThat(machines().now().bus().devices()).hasSize(4);
    }

    /** With a failure between any two, each at another step. */
    private void upgradeUnder(List<RunningLoad> loads) throws Exception {
        for (int i = 0; i < UPGRADES; i++) {
            loads.forEach(RunningLoad::awaitMore);
            machines().giveUp(i % MachineUpgrades.STEPS);
            loads.forEach(RunningLoad::awaitMore);
            upgrade(virtuals("numvfs: 0"));
        }
        loads.forEach(RunningLoad::finish);
        assertThat(machines().count()).isEqualTo(UPGRADES);
        loads.forEach(RunningLoad::close);
    }

    private void ask(String device, String at, String... settings) {
        SnapRequest.create(
                        NETWORK_FUNCTION,
                        device,
                        List.of(settings),
                        at,
                        "",
                        directory.resolve(at).toString())
                .perform(machines().now());
    }

    private List<UpgradeOffer.Function> offers() {
        return machines().now().functions().stream().map(MachineFunction::offer).toList();
    }

    @Test
    void whatComesWhileAllIsHandedOverIsRefusedOrComesAfterwards() throws Exception {
        MachineUpgrades.Plug dpu = dpu("memory", 4);
        serve(dpu);
        start(CONTROLLER, "nvme_small");
        assertThatThrownBy(() -> upgrade((machine, anew) -> {
                    dpu.into(machine, anew);
                    start(DISK, "virtio_blk_small");
                }))
                .hasMessageContaining("come or gone");
        assertThat(machines().now().mdevs().services()).hasSize(2);
        Machine old = machines().now();
        upgrade(dpu);
        assertThat(machines().now().mdevs().services()).hasSize(2);
        assertThatThrownBy(() -> old.mdevs().stop(DISK, Duration.ZERO)).hasMessageContaining("ENODEV");
    }

    private void serve(MachineUpgrades.Plug plug) {
        machines = Optional.of(new MachineUpgrades(plug));
    }

    private MachineUpgrades machines() {
        return machines.orElseThrow();
    }

    private void upgrade(MachineUpgrades.Plug plug) throws InterruptedException {
        machines().upgrade(plug);
    }

    private MachineFunction function(String address) {
        return machines().now().function(PciAddress.parse(address));
    }

    private void start(UUID uuid, String type) {
        machines().now().mdevs().start(definition(uuid, type), directory.resolve(uuid.toString()));
    }

    private static MdevDefinition definition(UUID uuid, String type) {
        return new MdevDefinition(NETWORK_FUNCTION, uuid, "mlx5_core-" + type, false, List.of());
    }

    private MachineUpgrades.Plug controllers(String first, String second) {
        return (machine, storage) -> {
            plug(machine, storage, "0000:00:01.0", first, "a");
            plug(machine, storage, "0000:00:02.0", second, "b");
        };
    }

    private void plug(Machine machine, Storage storage, String address, String words, String socket) {
        machine.add(
                        new DeviceKinds(storage).plan(List.of(words.split(" "))),
                        Optional.of(PciAddress.parse(address)),
                        Optional.empty())
                .serve(new Endpoint.AtPath(directory.resolve(socket)), VfioUserServerOptions.DEFAULTS);
    }

    private static MachineUpgrades.Plug dpu(String storage, int count) {
        return (machine, anew) -> machine.addAll(
                new BluefieldKind(anew)
                        .plan(Setting.parse(List.of("ports=1", "sfs=" + count, "sf-storage=" + storage))),
                PciAddress.parse(NETWORK_FUNCTION),
                Optional.empty());
    }

    private MachineUpgrades.Plug virtuals(String numVfs) {
        return plan(text(numVfs));
    }

    private MachineUpgrades.Plug plan(String text) {
        return (machine, storage) -> new MachinePlan(
                        new MachineReader(new DeviceKinds(storage)).read("m.yaml", text.replace("DIR", directory + "")))
                .plugInto(machine, VfioUserServerOptions.DEFAULTS);
    }

    private static String text(String numVfs) {
        return """
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
                    virtual-functions:
                      - settings: {memory: 1M, queues: 2}
                        socket-path: DIR/n.1
                      - settings: {memory: 1M, queues: 2}
                        socket-path: DIR/n.2
                """.replace("NUMVFS", numVfs);
    }

    private RunningLoad connectVirtio(String socket) {
        return connectVirtio(socket, load -> {});
    }

    private RunningLoad connectVirtio(String socket, Consumer<VerifiedLoad> first) {
        return begun(RunningLoad.virtio(directory.resolve(socket), first));
    }

    private RunningLoad connectNvme(String socket) {
        return connectNvme(socket, NvmeOptions.Doorbells.WRITTEN);
    }

    private RunningLoad connectNvme(String socket, NvmeOptions.Doorbells doorbells) {
        return connectNvme(socket, doorbells, load -> {});
    }

    private RunningLoad connectNvme(String socket, NvmeOptions.Doorbells doorbells, Consumer<VerifiedLoad> first) {
        return begun(RunningLoad.nvme(directory.resolve(socket), doorbells, first));
    }

    private RunningLoad begun(RunningLoad client) {
        clients.add(client);
        return client;
    }
}
