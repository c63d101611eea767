package org.vfio4j.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;

/** What serve refuses: in two lines, with an exit code that tells, and without a trace. */
class ServeBadInputTest {

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    memory=0            | 1 | memory=512M
                    memory=1000         | 1 | memory=512M
                    memory=lots         | 2 | memory=512M
                    memory=99999999999T | 2 | memory=512M
                    memory              | 2 | vfio serve
                    mem=512M            | 2 | memory
                    memroy=512M         | 2 | memory
                    readonly            | 2 | vfio serve
                    memory=1M,null=1M   | 2 | second device
                    memory=1M,serial=123456789012345678901 | 2 | serial=
                    memory=1M,queues=0  | 2 | queues=1
                    memory=1M,queues=257 | 2 | queues=1
                    memory=1M,queues=x  | 2 | queues=1
                    memory=1M,queue-size=100 | 2 | queue-size=256
                    memory=1M,queue-size=2048 | 2 | queue-size=
                    memory=1M,poll=often | 2 | poll=
                    memory=1M,io=mmap   | 2 | io=
                    memory=1M,readonly=perhaps | 2 | readonly
                    """)
    void refusesABadSetting(String setting, int exitCode, String hint) {
        assertRefused(exitCode, hint, "virtio-blk", setting);
    }

    @Test
    void refusesAnUnknownDevice() {
        assertRefused(ExitCode.USAGE, "vfio serve --help", "floppy", "memory=1M");
        assertThat(Cli.run("serve", "floppy", "--socket-path", socket()).errorLines()[0])
                .isEqualTo("vfio: serve: unknown device 'floppy': there is virtio-blk, nvme, i40e-vf, bluefield, pci");
    }

    @Test
    void theHelpShowsEachKindsSettings() {
        assertThat(Cli.run("serve", "--help").out())
                .contains("virtio-blk with", "queue-size=N", "nvme with", "i40e-vf with", "mac=ADDRESS", "Examples:");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    mac=02:00:00:00:00    | mac=02:00:00:00:00:01
                    mac=ff:ff:ff:ff:ff:ff | mac=02:00:00:00:00:01
                    mac                   | mac=02:00:00:00:00:01
                    queues=0              | queues=1
                    queues=17             | queues=1
                    poll=often            | poll=adaptive
                    lnk=net0              | link
                    """)
    void refusesABadSettingOfANetworkInterface(String setting, String hint) {
        assertRefused(ExitCode.USAGE, hint, "i40e-vf", setting);
    }

    @Test
    void refusesAnUnknownOptionAndNamesTheHelp() {
        Cli cli = Cli.run("serve", "virtio-blk", "memory=1M", "--sockt-path", "x");
        assertThat(cli.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(cli.errorLines()).hasSize(2);
        assertThat(cli.errorLines()[0]).contains("--sockt-path");
        assertThat(cli.errorLines()[1]).startsWith("try: --socket-path").endsWith("vfio serve --help");
    }

    @Test
    void refusesADeviceWithoutASocketOrWithTwo() {
        Cli none = Cli.run("serve", "virtio-blk", "memory=1M");
        assertThat(none.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(none.err()).contains("--socket-path");
        Cli both = Cli.run("serve", "virtio-blk", "memory=1M", "--socket-path", "x", "--fd", "3");
        assertThat(both.exitCode()).isEqualTo(ExitCode.USAGE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"disable_vgaa", "ids=8086", "ids", "enable_sriov=perhaps"})
    void refusesABadOptionOfVfioPci(String option) {
        Cli cli = Cli.run("serve", "virtio-blk", "memory=1M", "--socket-path", socket(), "--vfio-pci", option);
        assertThat(cli.exitCode()).as(cli.err()).isEqualTo(ExitCode.USAGE);
        assertThat(cli.errorLines()).hasSize(2);
        assertThat(cli.errorLines()[0]).contains("vfio-pci option '" + option + "'");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void refusesABadFileOfFactsWithTheLine() throws IOException {
        Path file = Files.writeString(directory.resolve("site.facts"), "# mine\n1af4:1042 denylisted=maybe\n");
        Cli cli = Cli.run("serve", "virtio-blk", "memory=1M", "--socket-path", socket(), "--facts", file.toString());
        assertThat(cli.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(cli.errorLines()).hasSize(2);
        assertThat(cli.errorLines()[0]).contains("site.facts:2: ", "denylisted=maybe");
        Cli none = Cli.run("serve", "virtio-blk", "memory=1M", "--socket-path", socket(), "--facts", "/none/x.facts");
        assertThat(none.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
    }

    @Test
    void aFactKeepsAFunctionFromVfioPciUnlessItsOptionSaysOtherwise() throws IOException {
        Path file = Files.writeString(directory.resolve("site.facts"), "1af4:1042 denylisted=yes\n");
        String[] words = {
            "serve", "virtio-blk", "memory=1M", "--socket-path", socket(), "--facts", file.toString(), "--run", "true"
        };
        assertThat(Cli.run(words).err()).contains("0000:00:01.0");
        assertThat(Cli.run(words).exitCode()).isNotZero();
        List<String> taken = new ArrayList<>(List.of(words));
        taken.addAll(List.of("--vfio-pci", "disable_denylist"));
        Cli cli = Cli.run(taken.toArray(String[]::new));
        assertThat(cli.exitCode()).as(cli.err()).isZero();
    }

    @Test
    void refusesADescriptorThatNoServerOfAKeeperHas() {
        Cli cli = Cli.run("serve", "virtio-blk", "memory=1M", "--fd", "3", "--supervised");
        assertThat(cli.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(cli.errorLines()[0]).contains("--fd", "--supervised");
    }

    @Test
    void refusesABadDescriptor() {
        assertThat(Cli.run("serve", "virtio-blk", "memory=1M", "--fd", "1").exitCode())
                .isEqualTo(ExitCode.USAGE);
        assertThat(Cli.run("serve", "virtio-blk", "memory=1M", "--fd", "999").exitCode())
                .isEqualTo(ExitCode.NOT_FOUND);
    }

    @Test
    void refusesABadAddress() {
        Cli cli = Cli.run("serve", "virtio-blk", "memory=1M", "--socket-path", "x", "--address", "08:40.0");
        assertThat(cli.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(cli.err()).contains("--address 0000:08:00.0");
    }

    @Test
    void refusesTheSameAddressTwice() {
        Cli cli = Cli.run(
                "serve",
                "virtio-blk",
                "memory=1M",
                "--address",
                "0000:08:00.0",
                "--socket-path",
                socket(),
                "+",
                "virtio-blk",
                "memory=1M",
                "--address",
                "0000:08:00.0",
                "--socket-path",
                socket() + "2");
        assertThat(cli.exitCode()).isNotZero();
        assertThat(cli.err()).contains("0000:08:00.0").contains("EEXIST");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void refusesAMissingImageAndMakesNone() {
        assertRefused(ExitCode.NOT_FOUND, "truncate -s 1G", "virtio-blk", "file=" + directory.resolve("none.img"));
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void refusesADirectory() {
        assertRefused(ExitCode.FAILED, "disk.img", "virtio-blk", "file=" + directory);
    }

    @Test
    void refusesAnImageOfNoWholeSectorsAndLeavesItAlone() throws IOException {
        Path image = Files.write(directory.resolve("odd.img"), new byte[1000]);
        assertRefused(ExitCode.FAILED, "truncate -s %512", "virtio-blk", "file=" + image);
        assertThat(image).hasSize(1000);
        Path empty = Files.createFile(directory.resolve("empty.img"));
        assertRefused(ExitCode.FAILED, "truncate", "virtio-blk", "file=" + empty);
        assertThat(empty).isEmptyFile();
    }

    @Test
    void refusesAnImageThatAnotherServerHas() throws IOException {
        Path image = Files.write(directory.resolve("disk.img"), new byte[4096]);
        try (FileBackend other = FileBackend.open(image, false, FileIoMode.AUTO)) {
            assertThat(other.sizeBytes()).isEqualTo(4096);
            assertRefused(ExitCode.BUSY, "vfio ls", "virtio-blk", "file=" + image);
        }
    }

    @Test
    void refusesASocketInUseAndLeavesItAlone() {
        Path path = directory.resolve("disk.sock");
        try (Fd other = UnixSocket.listen(path, 1)) {
            assertThat(other.isOpen()).isTrue();
            assertRefused(ExitCode.BUSY, "vfio ls", "virtio-blk", "memory=1M");
            UnixSocket.connect(path).close();
        }
    }

    @Test
    void refusesASocketPathWhereAFileIsAndLeavesItAlone() throws IOException {
        Path file = Files.writeString(directory.resolve("disk.sock"), "precious");
        assertRefused(ExitCode.FAILED, "another --socket-path", "virtio-blk", "memory=1M");
        assertThat(file).hasContent("precious");
    }

    @Test
    void refusesASocketInAMissingDirectory() {
        Cli cli = Cli.run("serve", "virtio-blk", "memory=1M", "--socket-path", directory + "/none/x.sock");
        assertThat(cli.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(cli.err()).contains("mkdir -p " + directory + "/none");
    }

    @Test
    void refusesASocketPathThatIsTooLongWithBothLengths() {
        Cli cli = Cli.run("serve", "virtio-blk", "memory=1M", "--socket-path", "/tmp/" + "x".repeat(200));
        assertThat(cli.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(cli.err()).contains("205").contains("107");
    }

    @Test
    void looksAtAllDevicesBeforeItOpensOne() {
        Cli cli = Cli.run(
                "serve",
                "virtio-blk",
                "memory=1M",
                "--socket-path",
                socket(),
                "+",
                "virtio-blk",
                "queues=3",
                "--socket-path",
                socket() + "2");
        assertThat(cli.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void takesOptionsOfTheProcessBehindAnyDevice() {
        assertThat(ServeWords.groups("serve a --sysfs s + b --fd 3 --run=x -o json".split(" ")))
                .containsExactly(
                        List.of("serve", "a", "--sysfs", "s", "--run=x", "-o", "json"), List.of("b", "--fd", "3"));
        assertThat(ServeWords.groups(new String[] {"ls", "+"})).containsExactly(List.of("ls", "+"));
    }

    private void assertRefused(int exitCode, String hint, String... device) {
        List<String> before = listing();
        List<String> words = new ArrayList<>(List.of("serve"));
        words.addAll(List.of(device));
        words.addAll(List.of("--socket-path", socket()));
        Cli cli = Cli.run(words.toArray(String[]::new));
        assertThat(cli.exitCode()).as(cli.err()).isEqualTo(exitCode);
        assertThat(cli.out()).isEmpty();
        assertThat(cli.errorLines()).hasSize(2);
        assertThat(cli.errorLines()[0]).startsWith("vfio: serve: ");
        assertThat(cli.errorLines()[1]).startsWith("try: ").contains(hint);
        assertThat(listing()).isEqualTo(before);
    }

    private String socket() {
        return directory.resolve("disk.sock").toString();
    }

    private List<String> listing() {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(Path::toString).sorted().toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
