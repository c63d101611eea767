package org.vfio4j.cli.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_REQ_IRQ_INDEX;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.LogLines;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiolinux.LinuxPciFunction;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** Hardware that the kernel wants back. The kernel is the registry of another core: it asks, and waits, as the host's does. */
@Timeout(60)
class HardwareReturnTest {

    private static final String HOST = "0000:03:00.0";
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final MemoryBackend storage = new MemoryBackend(1 << 20);
    private final VirtioBlk disk = VirtioBlk.builder(storage).build();
    private final IoAddressSpace memory = new IoAddressSpace(64);
    private final VfioRegistry kernel = new VfioRegistry();
    private final VfioDevice hardware =
            kernel.register(new VfioPciCore("kernel", disk.function()), () -> () -> {}, HOST);

    @AfterEach
    void leavesNothing() {
        memory.close();
        disk.close();
        storage.close();
        before.assertNone();
    }

    @Test
    void theClientIsAskedAndTheKernelHasItOnceThatOneLetsGo() {
        try (Machine machine = new Machine();
                Fd wanted = EventFd.create()) {
            serve(machine);
            MachineFunction other = machine.add(new DeviceKinds().plan(List.of("virtio-blk", "memory=1M")));
            other.serveAt(directory.resolve("other"), VfioUserServerOptions.DEFAULTS);
            CompletableFuture<Void> unbound;
            try (VfioUserClient client = connect("hardware")) {
                listen(client, wanted);
                unbound = unbind();
                awaitRequest(wanted);
                assertThat(unbound).isNotDone();
            }
            assertThat(unbound).succeedsWithin(PATIENCE);
            assertThat(directory.resolve("hardware")).doesNotExist();
            connect("other").close();
        }
    }

    @Test
    void withoutAClientItGoesAtOnce() {
        try (Machine machine = new Machine()) {
            serve(machine);
            assertThat(unbind()).succeedsWithin(PATIENCE);
        }
    }

    @Test
    void oneThatHasNoDriverHereGoesToo() {
        try (Machine machine = new Machine()) {
            serve(machine).unbind(PATIENCE);
            assertThat(unbind()).succeedsWithin(PATIENCE);
        }
    }

    @Test
    void aClientThatKeepsItLosesIt() {
        try (Machine machine = new Machine()) {
            MachineFunction function = serve(machine);
            try (VfioUserClient client = connect("hardware")) {
                machine.giveBack(function, Duration.ofMillis(100));
                assertThatThrownBy(client::reset).isInstanceOf(ErrnoException.class);
            }
            assertThat(hardware.isOpen()).isFalse();
            assertThat(machine.functions()).isEmpty();
            assertThat(machine.bus().devices()).isEmpty();
            assertThat(directory.resolve("hardware")).doesNotExist();
        }
    }

    @Test
    void anotherThatUnbindsItMeanwhileIsWaitedFor() {
        try (Machine machine = new Machine();
                Fd wanted = EventFd.create()) {
            MachineFunction function = serve(machine);
            CompletableFuture<Void> returned;
            try (VfioUserClient client = connect("hardware")) {
                listen(client, wanted);
                CompletableFuture<Void> other =
                        CompletableFuture.runAsync(() -> function.unbind(Duration.ofSeconds(1)));
                awaitRequest(wanted);
                returned = CompletableFuture.runAsync(() -> machine.giveBack(function, PATIENCE));
                assertThat(other).failsWithin(PATIENCE);
                awaitRequest(wanted);
                client.reset();
            }
            assertThat(returned).succeedsWithin(PATIENCE);
            assertThat(hardware.isOpen()).isFalse();
        }
    }

    @Test
    void whatIsGoneAlreadyIsGivenBack() {
        try (Machine machine = new Machine();
                LogLines unexpected = new LogLines(Closing.class)) {
            MachineFunction function = serve(machine);
            function.close();
            machine.giveBack(function, PATIENCE);
            assertThat(machine.functions()).isEmpty();
            function.close();
            assertThat(unexpected.rest()).isEmpty();
        }
    }

    @Test
    void aReturnForWhichThereIsNoThreadIsTriedWhenTheKernelAsksAgain() {
        try (Machine machine = new Machine()) {
            MachineFunction function = serve(machine);
            List<Runnable> works = new ArrayList<>();
            HardwareReturn hardwareReturn = new HardwareReturn(machine, function, HOST, work -> {
                works.add(work);
                if (works.size() == 1) {
                    throw new OutOfMemoryError("unable to create native thread");
                }
            });
            hardwareReturn.requested();
            hardwareReturn.requested();
            hardwareReturn.requested();
            assertThat(works).as("one that failed and one that works").hasSize(2);
            works.getLast().run();
            assertThat(hardware.isOpen()).isFalse();
        }
    }

    private static void listen(VfioUserClient client, Fd wanted) {
        client.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                VFIO_PCI_REQ_IRQ_INDEX,
                0,
                1,
                List.of(wanted.dup())));
    }

    private static void awaitRequest(Fd wanted) {
        assertThat(Poll.poll(wanted.value(), Poll.POLLIN, PATIENCE.toNanos())).isPositive();
        EventFd.drain(wanted.value());
    }

    private MachineFunction serve(Machine machine) {
        DevicePlan plan = new DevicePlan() {
            @Override
            public EmulatedDevice open(PciAddress address) {
                LocalDeviceFile file = hardware.open();
                file.attach(memory);
                LinuxPciFunction function = new LinuxPciFunction(HOST, file, false);
                return new EmulatedDevice("pci", "hardware", function, List.of(function));
            }

            @Override
            public Optional<String> driver() {
                return Optional.of("vfio-pci");
            }
        };
        MachineFunction function = machine.add(plan);
        function.serveAt(directory.resolve("hardware"), VfioUserServerOptions.DEFAULTS);
        return function;
    }

    private VfioUserClient connect(String socket) {
        return VfioUserClient.connect(directory.resolve(socket), VfioUserClientOptions.DEFAULTS);
    }

    private CompletableFuture<Void> unbind() {
        return CompletableFuture.runAsync(() -> kernel.unregister(hardware, PATIENCE));
    }
}
