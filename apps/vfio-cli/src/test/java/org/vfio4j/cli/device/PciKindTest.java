package org.vfio4j.cli.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.virtioblk.VirtioBlkDisk;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** Functions of this machine on the command line. What the kernel would open is a function of this process here. */
@Timeout(60)
class PciKindTest {

    private static final String HOST = "0000:03:00.0";
    private static final int BYTES = 64 << 10;

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final MemoryBackend storage = new MemoryBackend(1 << 20);
    private final VirtioBlk disk = VirtioBlk.builder(storage).build();
    private final IoAddressSpace memory = new IoAddressSpace(64);

    @AfterEach
    void leavesNothing() {
        memory.close();
        disk.close();
        storage.close();
        before.assertNone();
    }

    @Test
    void needsToKnowWhichFunction() {
        assertUsage("without host", List.of());
        assertUsage("host needs a value", List.of(Setting.of("host")));
        assertUsage("expected [domain:]bus:device.function", List.of(Setting.of("host=nvme0")));
        assertUsage("pci has no setting 'file'", List.of(Setting.of("host=" + HOST), Setting.of("file=a")));
        assertUsage("expected on or off", List.of(Setting.of("host=" + HOST), Setting.of("mappable=rw")));
    }

    @Test
    void oneThatThisMachineDoesNotHaveIsToBeLookedFor() {
        DevicePlan plan = new PciKind().plan(List.of(Setting.of("host=ffff:ff:1f.7")));
        assertThatThrownBy(() -> plan.open(new PciAddress(0, 1, 0, 0)))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.hint()).isEqualTo("vfio host ls"));
    }

    @Test
    void oneThatAnotherProcessHasSaysSo() {
        DevicePlan plan = plan(address -> {
            throw new ErrnoException(Errno.EBUSY, "open /dev/vfio/7");
        });
        assertThatThrownBy(() -> plan.open(new PciAddress(0, 1, 0, 0)))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.hint()).contains("fuser"));
    }

    @Test
    void isServedAsAnyOtherFunctionAndGivenBack() {
        Path socket = directory.resolve("s");
        try (Machine machine = new Machine()) {
            MachineFunction function = machine.add(plan(this::kernel));
            function.serveAt(socket, VfioUserServerOptions.DEFAULTS);
            ServerState.Function state = function.state();
            assertThat(state.kind()).isEqualTo("pci");
            assertThat(state.id()).isEqualTo("1af4:1042");
            assertThat(state.driver()).isEqualTo("vfio-pci");
            assertThat(state.description()).isEqualTo("hardware, " + HOST + " of this machine");
            use(socket, (byte) 1);
            function.unbind(Duration.ofSeconds(10));
            function.bind(Optional.empty());
            use(socket, (byte) 2);
        }
    }

    @Test
    void doesNotGoToAnotherProcess() {
        try (Machine machine = new Machine()) {
            MachineFunction function = machine.add(plan(this::kernel));
            function.serveAt(directory.resolve("s"), VfioUserServerOptions.DEFAULTS);
            assertThat(function.isHardware()).isTrue();
            assertErrno(Errno.EOPNOTSUPP, () -> function.handOver(Duration.ofSeconds(1)));
            assertErrno(Errno.EOPNOTSUPP, function::functionJournal);
            function.unbind(Duration.ofSeconds(10));
        }
    }

    /** Drivers that know hardware of its id better would expect what is emulated behind that. */
    @Test
    void hasTheSameDriverAgain() {
        DevicePlan known = new DeviceKinds().plan(List.of("i40e-vf"));
        DevicePlan general = new DevicePlan() {
            @Override
            public EmulatedDevice open(PciAddress address) {
                return known.open(address);
            }

            @Override
            public Optional<String> driver() {
                return plan(PciKindTest.this::kernel).driver();
            }
        };
        try (Machine machine = new Machine()) {
            MachineFunction function = machine.add(general);
            assertThat(function.state().driver()).isEqualTo("vfio-pci");
            function.unbind(Duration.ofSeconds(10));
            function.bind(Optional.empty());
            assertThat(function.state().driver()).isEqualTo("vfio-pci");
        }
    }

    private static DevicePlan plan(Function<PciAddress, VfioDeviceFile> opener) {
        return new PciKind(opener).plan(List.of(Setting.of("host=" + HOST)));
    }

    private VfioDeviceFile kernel(PciAddress address) {
        assertThat(address).hasToString(HOST);
        VfioRegistry kernel = new VfioRegistry();
        kernel.register(new VfioPciCore("kernel", disk.function()), () -> () -> {}, HOST);
        LocalDeviceFile file = kernel.open("vfio0");
        file.attach(memory);
        return file;
    }

    private static void use(Path socket, byte pattern) {
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
                VirtioBlkDriver driver = VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS);
                Arena arena = Arena.ofConfined()) {
            VirtioBlkDisk used = new VirtioBlkDisk(driver, 0);
            MemorySegment written = arena.allocate(BYTES).fill(pattern);
            MemorySegment read = arena.allocate(BYTES);
            used.write(BYTES, written);
            used.read(BYTES, read);
            assertThat(read.mismatch(written)).isEqualTo(-1);
        }
    }

    private static void assertUsage(String what, List<Setting> settings) {
        assertThatThrownBy(() -> new PciKind().plan(settings)).isInstanceOfSatisfying(CliException.class, e -> {
            assertThat(e).hasMessageContaining(what);
            assertThat(e.exitCode()).isEqualTo(ExitCode.USAGE);
        });
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
