package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * Machines take over one from another while clients write and read without a pause, and others try to and fail: each request completes once,
 * and each block has what was written last.
 */
@Timeout(180)
class UpgradeLoadTest {

    private static final int UPGRADES = 5;
    private static final int REQUESTS_BETWEEN = 200;
    private static final String NETWORK_FUNCTION = "0000:07:00.0";
    private static final UUID DISK = UUID.fromString("83b8f4f2-509f-382f-3c1e-e6bfe0fa2001");
    private static final UUID CONTROLLER = UUID.fromString("83b8f4f2-509f-382f-3c1e-e6bfe0fa2002");

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final List<Client> clients = new ArrayList<>();
    private Optional<MachineUpgrades> machines = Optional.empty();

    @AfterEach
    void stop() {
        clients.forEach(Client::close);
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
        Client load = connectNvme("a", doorbells);
        Client idle = connectNvme("b", NvmeOptions.Doorbells.MAPPED);
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
        Client next = connectNvme("a", doorbells, it -> it.goOnFrom(load.load));
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
        List<Client> loads =
                List.of(connectVirtio("p"), connectVirtio("p.1"), connectVirtio("p.2"), connectNvme("n.1"));
        Path another = Files.write(directory.resolve("other.img"), new byte[1 << 20]);
        for (int i = 0; i < UPGRADES; i++) {
            loads.forEach(Client::awaitMore);
            machines().giveUp(i % MachineUpgrades.STEPS);
            loads.forEach(Client::awaitMore);
            // A virtual function is missing, or another one.
            assertThatThrownBy(() -> upgrade(plan(
                            text(none).replace("      - settings: {memory: 2M}\n        socket-path: DIR/p.2\n", ""))))
                    .hasMessageContaining("ERANGE");
            assertThatThrownBy(() -> upgrade(plan(text(none).replace("{memory: 2M}", "{file: " + another + "}"))))
                    .isInstanceOf(RuntimeException.class);
            loads.forEach(Client::awaitMore);
            upgrade(virtuals(i % 2 == 0 ? none : two));
        }
        loads.forEach(Client::finish);
        assertThat(machines().count()).isEqualTo(UPGRADES);
        assertThat(function("0000:09:00.1").isServed()).isTrue();
        assertThat(directory.resolve("n.2")).doesNotExist();
        loads.forEach(Client::close);
        // They come and go as before, and keep what is on them while they are off, also from one process to the next.
        MachineFunction physical = function("0000:08:00.0");
        machines().now().virtuals().set(physical, 0, Duration.ofSeconds(10));
        upgrade(virtuals(none));
        assertThat(directory.resolve("p.1")).doesNotExist();
        machines().now().virtuals().set(function("0000:08:00.0"), 2, Duration.ZERO);
        Client again = connectVirtio("p.2", load -> load.goOnFrom(loads.get(2).load));
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
        List<Client> loads = List.of(connectVirtio(DISK.toString()), connectNvme(CONTROLLER.toString()));
        for (int i = 0; i < UPGRADES; i++) {
            loads.forEach(Client::awaitMore);
            machines().giveUp(i % MachineUpgrades.STEPS);
            loads.forEach(Client::awaitMore);
            assertThatThrownBy(() -> upgrade(dpu(storage.equals("files") ? files.toString() : storage, 1)))
                    .hasMessageContaining("1 functions needed");
            assertThatThrownBy(() -> upgrade((machine, anew) -> {
                        dpu.into(machine, anew);
                        // Takes the place of one that is to come.
                        machine.mdevs().start(definition(DISK, "nvme_small"), directory.resolve("elsewhere"));
                    }))
                    .hasMessageContaining(DISK.toString());
            loads.forEach(Client::awaitMore);
            upgrade(dpu);
        }
        loads.forEach(Client::finish);
        // On other storage they would be other disks.
        assertThatThrownBy(() -> upgrade(dpu(storage.equals("files") ? "memory" : nothing.toString(), 4)))
                .hasMessageContaining("disk in memory there");
        Files.deleteIfExists(nothing.resolve(DISK + ".img"));
        Files.deleteIfExists(nothing.resolve(CONTROLLER + ".img"));
        assertThat(machines().count()).isEqualTo(UPGRADES);
        loads.forEach(Client::close);
        Machine now = machines().now();
        assertThat(now.mdevs().types().getFirst().availableInstances()).isEqualTo(2);
        now.mdevs().stop(DISK, Duration.ofSeconds(10));
        assertThat(directory.resolve(DISK.toString())).doesNotExist();
        upgrade(dpu);
        assertThat(machines().now().mdevs().services()).hasSize(1);
        connectNvme(CONTROLLER.toString(), NvmeOptions.Doorbells.WRITTEN, it -> it.goOnFrom(loads.get(1).load))
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
        List<Client> loads = List.of(connectVirtio("0000:08:00.4"), connectNvme("0000:08:00.5"));
        for (int i = 0; i < UPGRADES; i++) {
            loads.forEach(Client::awaitMore);
            machines().giveUp(i % MachineUpgrades.STEPS);
            loads.forEach(Client::awaitMore);
            upgrade(virtuals("numvfs: 0"));
        }
        loads.forEach(Client::finish);
        assertThat(machines().count()).isEqualTo(UPGRADES);
        loads.forEach(Client::close);
        SnapRequest.delete("0000:08:00.4", 10_000).perform(machines().now());
        upgrade(virtuals("numvfs: 0"));
        assertThat(directory.resolve("0000:08:00.4")).doesNotExist();
        connectNvme("0000:08:00.5", NvmeOptions.Doorbells.WRITTEN, it -> it.goOnFrom(loads.get(1).load))
                .finish();
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
        List<Client> loads = List.of(connectVirtio("0000:08:00.4"), connectVirtio("v.1"), connectVirtio("v.2"));
        for (int i = 0; i < UPGRADES; i++) {
            loads.forEach(Client::awaitMore);
            machines().giveUp(i % MachineUpgrades.STEPS);
            loads.forEach(Client::awaitMore);
            upgrade(virtuals("numvfs: 0"));
        }
        loads.forEach(Client::finish);
        assertThat(machines().count()).isEqualTo(UPGRADES);
        loads.forEach(Client::close);
        machines().now().virtuals().set(function("0000:08:00.4"), 0, Duration.ofSeconds(10));
        upgrade(virtuals("numvfs: 0"));
        assertThat(directory.resolve("v.1")).doesNotExist();
        machines().now().virtuals().set(function("0000:08:00.4"), 2, Duration.ZERO);
        for (int i = 1; i <= 2; i++) {
            Client last = loads.get(i);
            Client again = connectVirtio("v." + i, load -> load.goOnFrom(last.load));
            again.awaitMore();
            again.close();
        }
        SnapRequest.delete("0000:08:00.4", 10_000).perform(machines().now());
        upgrade(virtuals("numvfs: 0"));
        assertThat(directory.resolve("v.1")).doesNotExist();
        assertThat(machines().now().bus().devices()).hasSize(4);
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

    private Client connectVirtio(String socket) {
        return connectVirtio(socket, load -> {});
    }

    private Client connectVirtio(String socket, Consumer<VerifiedLoad> first) {
        VfioUserClient client = VfioUserClient.connect(directory.resolve(socket), VfioUserClientOptions.DEFAULTS);
        VirtioBlkOptions options = VirtioBlkOptions.DEFAULTS.withBufferBytes(VerifiedLoad.bufferBytes());
        return begin(client, VirtioBlkDriver.open(client, options), first);
    }

    private Client connectNvme(String socket) {
        return connectNvme(socket, NvmeOptions.Doorbells.WRITTEN);
    }

    private Client connectNvme(String socket, NvmeOptions.Doorbells doorbells) {
        return connectNvme(socket, doorbells, load -> {});
    }

    private Client connectNvme(String socket, NvmeOptions.Doorbells doorbells, Consumer<VerifiedLoad> first) {
        VfioUserClient client = VfioUserClient.connect(directory.resolve(socket), VfioUserClientOptions.DEFAULTS);
        NvmeOptions options = NvmeOptions.DEFAULTS.withDoorbells(doorbells).withBufferBytes(VerifiedLoad.bufferBytes());
        NvmeDriver driver = NvmeDriver.open(client, options);
        assertThat(driver.doorbells()).isEqualTo(doorbells);
        return begin(client, driver, first);
    }

    private Client begin(VfioUserClient client, DiskDriver disk, Consumer<VerifiedLoad> first) {
        VerifiedLoad load = new VerifiedLoad(disk, clients.size());
        first.accept(load);
        Client begun = new Client(client, disk, load);
        clients.add(begun);
        return begun;
    }

    /** A driver, and what it does all the time. */
    private static final class Client {

        private final VfioUserClient client;
        private final DiskDriver disk;
        private final VerifiedLoad load;
        private final CompletableFuture<Void> running;
        private boolean closed;

        Client(VfioUserClient client, DiskDriver disk, VerifiedLoad load) {
            this.client = client;
            this.disk = disk;
            this.load = load;
            running =
                    CompletableFuture.runAsync(load, run -> Thread.ofPlatform().start(run));
        }

        void awaitMore() {
            long goal = load.completed.get() + REQUESTS_BETWEEN;
            while (load.completed.get() < goal) {
                assertThat(running).isNotDone();
                LockSupport.parkNanos(1_000_000);
            }
        }

        void finish() {
            load.stop = true;
            running.join();
        }

        void close() {
            if (!closed) {
                closed = true;
                load.stop = true;
                running.handle((done, failure) -> done).join();
                disk.close();
                client.close();
            }
        }
    }
}
