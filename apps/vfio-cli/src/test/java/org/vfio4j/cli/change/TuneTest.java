package org.vfio4j.cli.change;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Disks;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.VirtioBlkKind;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** {@code vfio resize} and {@code vfio limit} on a serving process. */
class TuneTest {

    private static final String PID = Long.toString(ProcessHandle.current().pid());
    private static final String FILE_DISK = "0000:00:01.0";
    private static final String MEMORY_DISK = "0000:00:02.0";
    private static final String CONTROLLER = "0000:00:03.0";
    private static final int SIZE = 1 << 20;

    @TempDir
    private Path directory;

    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();
    private Optional<ServerControl> control = Optional.empty();
    private Path image = Path.of("");
    private Path second = Path.of("");

    @BeforeEach
    void serve() throws IOException {
        image = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        machine.add(Disks.file(image, "ONE"))
                .serve(new Endpoint.AtPath(directory.resolve("one.sock")), VfioUserServerOptions.DEFAULTS);
        machine.add(Disks.memory(SIZE, 1, "TWO"))
                .serve(new Endpoint.AtPath(directory.resolve("two.sock")), VfioUserServerOptions.DEFAULTS);
        second = Files.write(directory.resolve("second.img"), new byte[SIZE]);
        machine.add(new DeviceKinds().plan(List.of("nvme", "memory=1M", "file=" + second)));
        control = Optional.of(ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty()));
    }

    @AfterEach
    void release() {
        control.ifPresent(ServerControl::close);
        machine.close();
        own.close();
    }

    @Test
    void aDiskGrowsAndEverybodySeesIt() {
        Cli grown = tune("resize", FILE_DISK, "3M");
        assertThat(grown.exitCode()).as(grown.err()).isZero();
        assertThat(grown.out()).startsWith(FILE_DISK + ": 3 MiB, file " + image);
        assertThat(image).hasSize(3 * SIZE);
        assertThat(Cli.run("show", FILE_DISK, "--server", PID).out()).contains("3 MiB");
    }

    @Test
    void whatCannotGrowSaysWhy() {
        assertRefused(tune("resize", FILE_DISK, "512K"), ExitCode.FAILED, "no less than now");
        assertRefused(tune("resize", FILE_DISK, "1048577"), ExitCode.FAILED, "a multiple of 512");
        assertRefused(tune("resize", MEMORY_DISK, "2M"), ExitCode.UNSUPPORTED, "resize of memory");
        assertRefused(tune("resize", FILE_DISK, "huge"), ExitCode.USAGE, "expected a size");
        assertRefused(tune("resize", "0000:00:09.0", "2M"), ExitCode.NOT_FOUND, "no function");
        assertThat(image).hasSize(SIZE);
    }

    @Test
    void oneNamespaceOfSeveralGrows() {
        Cli grown = tune("resize", CONTROLLER, "3M", "--namespace", "2");
        assertThat(grown.exitCode()).as(grown.err()).isZero();
        assertThat(grown.out()).startsWith(CONTROLLER + ": 1 MiB, memory; 3 MiB, file " + second);
        assertThat(second).hasSize(3 * SIZE);
        assertRefused(tune("resize", CONTROLLER, "4M"), ExitCode.UNSUPPORTED, "2 namespaces, of which none is named");
        assertRefused(
                tune("resize", CONTROLLER, "4M", "--namespace", "3"), ExitCode.NOT_FOUND, "namespace 3 of 1 to 16");
        assertRefused(tune("resize", CONTROLLER, "4M", "--namespace", "-1"), ExitCode.USAGE, "namespaces count from 1");
        assertRefused(
                tune("resize", FILE_DISK, "4M", "--namespace", "1"), ExitCode.UNSUPPORTED, "is no NVMe controller");
        assertThat(second).hasSize(3 * SIZE);
        assertThat(image).hasSize(SIZE);
    }

    @Test
    void limitsAreChangedOneByOne() {
        Cli limited = tune("limit", MEMORY_DISK, "--iops", "5000", "--bandwidth", "200M");
        assertThat(limited.exitCode()).as(limited.err()).isZero();
        assertThat(limited.out()).isEqualTo(MEMORY_DISK + ": 1 MiB, memory, 5000 requests/s, 200 MiB/s\n");
        assertThat(tune("limit", MEMORY_DISK, "--iops", "0").out())
                .isEqualTo(MEMORY_DISK + ": 1 MiB, memory, 200 MiB/s\n");
        assertThat(tune("limit", MEMORY_DISK, "--bandwidth", "0").out()).isEqualTo(MEMORY_DISK + ": 1 MiB, memory\n");
        assertRefused(tune("limit", MEMORY_DISK), ExitCode.USAGE, "neither --iops nor --bandwidth");
        assertRefused(tune("limit", MEMORY_DISK, "--iops", "-1"), ExitCode.USAGE, "--iops=-1");
    }

    /** A request of these kinds that is not quite one is refused, and changes nothing. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Limit\",\"address\":\"0000:00:02.0\"}",
                "{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Limit\",\"address\":\"0000:00:02.0\",\"namespace\":0,\"sizeBytes\":0,\"iops\":-7,"
                        + "\"bandwidth\":1}",
                "{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Limit\",\"address\":\"0000:00:02.0\",\"namespace\":0,\"sizeBytes\":0,\"iops\":1,"
                        + "\"bandwidth\":1,\"more\":1}",
                "{\"apiVersion\":\"vfio4j/v9\",\"kind\":\"Limit\",\"address\":\"0000:00:02.0\",\"namespace\":0,\"sizeBytes\":0,\"iops\":1,"
                        + "\"bandwidth\":1}",
                "{\"kind\":\"Limit\",\"address\":null,\"namespace\":0,\"sizeBytes\":0,\"iops\":1,\"bandwidth\":1}",
                "{\"kind\":\"Limit\"",
                "[]",
                "1"
            })
    void badRequestsChangeNothing(String line) {
        try (LineSocket socket = new LineSocket(UnixSocket.connect(
                ServerDirectory.control(ProcessHandle.current().pid())))) {
            socket.write(line, 5_000_000_000L);
            assertThat(socket.read(1 << 16, 5_000_000_000L, passed -> {})).contains("\"kind\":\"Error\"");
        }
        assertThat(machine.functions().get(1).state().description()).isEqualTo("1 MiB, memory");
    }

    @Test
    void theSettingsOfADiskSayWhatIsWrong() {
        assertThat(plan("threads=2")).contains("threads=2: more than its 1 queues");
        assertThat(plan("direct")).contains("direct without a file");
        assertThat(plan("cpus=8191")).contains("CPU 8191, which does not exist or is not allowed");
        assertThat(plan("cpus=x")).contains("CPU list 'x'");
        assertThat(plan("iops=-1")).contains("expected a number from 0");
        assertThat(plan("bandwidth=fast")).contains("expected a size");
        assertThat(plan("poll=1000001")).contains("microseconds up to 1000000");
        assertThat(plan("poll=-1")).contains("poll=-1");
        assertThat(plan("queues=2,threads=2,cpus=0,poll=20,iops=5,bandwidth=1M"))
                .isEmpty();
    }

    private static String plan(String settings) {
        try {
            new VirtioBlkKind().plan(Setting.parse(List.of("memory=1M," + settings)));
            return "";
        } catch (CliException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private static Cli tune(String... args) {
        String[] all = new String[args.length + 2];
        System.arraycopy(args, 0, all, 0, args.length);
        all[args.length] = "--server";
        all[args.length + 1] = PID;
        return Cli.run(all);
    }

    private static void assertRefused(Cli run, int exitCode, String why) {
        assertThat(run.exitCode()).as(run.err()).isEqualTo(exitCode);
        assertThat(run.err()).contains(why);
        assertThat(run.errorLines()).hasSize(2);
    }
}
