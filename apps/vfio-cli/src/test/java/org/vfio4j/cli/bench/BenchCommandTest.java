package org.vfio4j.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.device.DeviceKind;
import org.vfio4j.cli.device.NvmeKind;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.VirtioBlkKind;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.vfiouser.VfioUserServerOptions;

class BenchCommandTest {

    @TempDir
    private Path directory;

    @Test
    void needsASocket() {
        assertFails(ExitCode.USAGE, "--socket-path", Cli.run("bench"));
    }

    @Test
    void rejectsADepthBeyondTheLimit() {
        assertFails(
                ExitCode.USAGE,
                "--queue-depth 1025: the limits are 1 and 1024",
                Cli.run("bench", "--socket-path", socket(), "--queue-depth", "1,1025"));
    }

    @Test
    void rejectsNoTimeAtAll() {
        assertFails(ExitCode.USAGE, "--seconds 0", Cli.run("bench", "--socket-path", socket(), "--seconds", "0"));
    }

    @Test
    void rejectsWhatMakesNoSense() {
        assertMisused("--queues 65: the limits are 1 and 64", "--queues", "65");
        assertMisused("--block-size 256: the limits are 512 and 1048576", "--block-size", "256");
        assertMisused("--block-size 600: not a multiple of 512", "--block-size", "600");
        assertMisused("--workload swim: there are region, randread", "--workload", "swim");
        assertMisused("--verify without a workload that writes", "--verify", "--workload", "randread");
        assertMisused("in flight at a time: the limit is 1 GiB", "--queues", "64", "--block-size", "1M");
        assertMisused("--poll", "--poll", "--interrupts");
        assertMisused("floppy", "floppy");
    }

    private void assertMisused(String what, String... options) {
        List<String> words = new ArrayList<>(List.of("bench", "--socket-path", socket()));
        words.addAll(List.of(options));
        assertFails(ExitCode.USAGE, what, Cli.run(words.toArray(String[]::new)));
    }

    @Test
    void rejectsWhatTheDiskDoesNotHave() {
        assertFails(ExitCode.USAGE, "--queues 9: the disk has 4", withDisk("--queues=9", "queues=4"));
        assertFails(
                ExitCode.UNSUPPORTED,
                "bytes: 2097152 are needed",
                withDisk("--workload=mixed", "--verify", "--block-size=128K"));
    }

    @Test
    void verifiesWhatItWrites() {
        Cli run = withDisk(
                "--output=json", "--workload=mixed,write", "--block-size=8K", "--verify", "--queues=2", "queues=2");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("\"workload\" : \"mixed\"", "\"queues\" : 2", "\"serverCpuUs\" : null");
    }

    @Test
    void waitsForInterrupts() {
        Cli run = withDisk("--interrupts", "--workload=randread");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("4 KiB random read  4 ");
    }

    @ParameterizedTest
    @CsvSource({
        "mapped,mapped,mapped",
        "trapped,mapped,shadow",
        "trapped,shadow,shadow",
        "mapped,written,written",
        "mapped,shadow,shadow",
    })
    void verifiesWhatItWritesToNvme(String offered, String wanted, String used) {
        Cli run = withNvme(
                offered, "--doorbells=" + wanted, "--workload=mixed,write", "--queue-depth=4", "--verify", "-ojson");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("4 KiB random 70 % read, 30 % write", "128 KiB sequential write")
                .contains("in blocks of 4096, doorbells " + used);
    }

    @Test
    void drivesSeveralQueuesOfNvmeByInterrupts() {
        Cli run = withNvme("trapped", "--interrupts", "--queues=2", "--workload=randread,mixed", "--queue-depth=8");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("4 MiB in blocks of 4096, doorbells shadow");
        assertThat(run.out()).contains("4 KiB random read ", "4 KiB random 70 %");
    }

    @Test
    void rejectsBlocksThatNvmeDoesNotHave() {
        Cli run = withNvme("trapped", "--workload=randread", "--block-size=512");
        assertFails(ExitCode.USAGE, "--block-size 512: the disk takes multiples of 4096 up to 524288", run);
    }

    @Test
    void drawsAChart() throws IOException {
        Path chart = directory.resolve("chart.svg");
        Cli run = withDisk("--svg=" + chart, "--workload=randread,read");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(Files.readString(chart))
                .startsWith("<svg ")
                .contains("prefers-color-scheme: dark", "4 KiB random read, QD 4", "128 KiB sequential read, QD 4")
                .endsWith("</svg>\n");
    }

    @Test
    void saysThatAChartCannotBeWritten() {
        Cli run = withDisk("--svg=" + directory.resolve("none/chart.svg"), "--workload=randread");
        assertThat(run.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(run.err()).contains("chart.svg: ENOENT", "try: ");
    }

    @Test
    void saysHowToStartTheServerThatIsMissing() {
        Cli run = Cli.run("bench", "--socket-path", socket());
        assertFails(ExitCode.NOT_FOUND, "ENOENT", run);
        assertThat(run.err()).contains("try: vfio serve virtio-blk memory=512M --socket-path " + socket());
    }

    @Test
    void doesNotWriteToAReadOnlyDisk() {
        Cli run = withDisk("--write", "readonly");
        assertFails(ExitCode.PERMISSION, "the disk is read-only", run);
    }

    @Test
    void measuresRegionsAndRequests() {
        Cli run = withDisk("--output=json");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("\"kind\" : \"BenchResult\"", "region read, spinning", "region read, blocking")
                .contains("4 KiB random read", "\"queueDepth\" : 4");
    }

    /** @param words options of the bench, and without dashes settings of the disk */
    private Cli withDisk(String... words) {
        List<String> settings = new ArrayList<>(List.of("memory=1M"));
        List<String> line =
                new ArrayList<>(List.of("bench", "--socket-path", socket(), "--seconds", "1", "--queue-depth", "4"));
        for (String word : words) {
            (word.startsWith("--") ? line : settings).add(word);
        }
        return with(new VirtioBlkKind(), settings, line);
    }

    private Cli withNvme(String doorbells, String... options) {
        List<String> line = new ArrayList<>(List.of("bench", "nvme", "--socket-path", socket(), "--seconds", "1"));
        line.addAll(List.of(options));
        return with(new NvmeKind(), List.of("memory=4M", "block=4096", "doorbells=" + doorbells), line);
    }

    private Cli with(DeviceKind kind, List<String> settings, List<String> line) {
        try (Machine machine = new Machine()) {
            machine.add(kind.plan(Setting.parse(settings)))
                    .serve(new Endpoint.AtPath(Path.of(socket())), VfioUserServerOptions.DEFAULTS);
            return Cli.run(line.toArray(String[]::new));
        }
    }

    private String socket() {
        return directory.resolve("disk.sock").toString();
    }

    private static void assertFails(int exitCode, String what, Cli run) {
        assertThat(run.exitCode()).isEqualTo(exitCode);
        assertThat(run.err()).contains(what, "try: ");
        assertThat(run.out()).isEmpty();
    }
}
