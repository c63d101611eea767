package org.vfio4j.cli.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.text.ExitCode;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Machines that files describe: checked, printed and served. */
class ConfigCommandTest {

    @TempDir
    private Path directory;

    @Test
    void checkTellsWhatTheMachineHas() {
        Cli check = Cli.run("config", "check", "shipped:bluefield");
        assertThat(check.exitCode()).as(check.err()).isZero();
        assertThat(check.out()).isEqualTo("shipped:bluefield: a machine with 5 bridges and 3 devices\n");
        JsonNode json = JsonMapper.builder()
                .build()
                .readTree(Cli.run("config", "check", "shipped:bluefield", "-o", "json")
                        .out());
        assertThat(json.get("kind").asString()).isEqualTo("MachineCheck");
        assertThat(json.get("items").get(0).get("bridges").asInt()).isEqualTo(5);
    }

    @Test
    void checkTellsInTwoLinesWhatIsWrong() throws IOException {
        Path file =
                Files.writeString(directory.resolve("m.yaml"), "apiVersion: vfio4j/v1\nkind: Machine\ndevcies: []\n");
        Cli check = Cli.run("config", "check", file.toString());
        assertThat(check.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(check.out()).isEmpty();
        assertThat(check.errorLines())
                .containsExactly(
                        "vfio: config check: " + file + ":3:1: unknown key 'devcies'",
                        "try: devices, of apiVersion, kind, options, devices");
    }

    @Test
    void refusesAFileThatIsNotThereOrNoText() throws IOException {
        assertThat(Cli.run("config", "check", "/none.yaml").exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(Cli.run("config", "check", "shipped:none").exitCode()).isEqualTo(ExitCode.USAGE);
        Path file = Files.write(directory.resolve("m.yaml"), new byte[] {(byte) 0xff, (byte) 0xfe, 1});
        Cli check = Cli.run("config", "check", file.toString());
        assertThat(check.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(check.err()).contains("is no text in UTF-8");
    }

    @Test
    void whatIsPrintedIsWhereOnesOwnBegins() throws IOException {
        Cli print = Cli.run("config", "print", "shipped:bluefield");
        Path own = Files.writeString(directory.resolve("own.yaml"), print.out());
        assertThat(Cli.run("config", "check", own.toString()).exitCode()).isZero();
    }

    @Test
    void servesTheMachineWithItsBridges() throws IOException {
        Path socket = directory.resolve("snap-0.sock");
        Path view = directory.resolve("view");
        String text = Cli.run("config", "print", "shipped:bluefield")
                .out()
                .replace("snap-0.sock", socket.toString())
                .replace("                socket-path: snap-1.sock\n", "")
                .replace("devices:\n", "options:\n  sysfs: " + view + "\ndevices:\n");
        Path file = Files.writeString(directory.resolve("machine.yaml"), text);
        String port = view + "/sys/devices/pci0000:00/0000:00:02.0/0000:05:00.0/0000:06:01.0";
        Cli serve = Cli.run(
                "serve",
                "--config",
                file.toString(),
                "--run",
                "test -S \"$VFIO_SOCKET\" && test -e " + port + "/0000:08:00.0/config && test -L " + view
                        + "/devices/0000:09:00.0 && exit 7");
        assertThat(serve.exitCode()).as(serve.err()).isEqualTo(7);
        assertThat(serve.out())
                .contains("listening on " + socket + ": 0000:08:00.0 virtio-blk, 64 MiB, memory")
                .contains("not served: 0000:09:00.0 virtio-blk, 64 MiB, memory");
        assertThat(socket).doesNotExist();
        assertThat(view).doesNotExist();
    }

    @Test
    void whatCannotBeOpenedIsToldWithItsPlace() throws IOException {
        Path file = Files.writeString(directory.resolve("m.yaml"), """
                apiVersion: vfio4j/v1
                kind: Machine
                devices:
                  - device: virtio-blk
                    address: 0000:00:01.0
                    settings: {file: /none/disk.img}
                """);
        Cli serve = Cli.run("serve", "-f", file.toString());
        assertThat(serve.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(serve.errorLines()).hasSize(2);
        assertThat(serve.errorLines()[0])
                .startsWith("vfio: serve: " + file + ":4:5: ")
                .contains("/none/disk.img");
        assertThat(serve.errorLines()[1]).isEqualTo("try: truncate -s 1G /none/disk.img");
    }

    @Test
    void refusesAFileBesideDevices() {
        Cli both = Cli.run("serve", "virtio-blk", "memory=1M", "--config", "shipped:bluefield", "--socket-path", "x");
        assertThat(both.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(both.errorLines()[0]).contains("--config shipped:bluefield describes all devices");
        Cli further = Cli.run("serve", "-f", "shipped:bluefield", "+", "virtio-blk", "memory=1M");
        assertThat(further.exitCode()).isEqualTo(ExitCode.USAGE);
        Cli none = Cli.run("serve");
        assertThat(none.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(none.errorLines()[1]).contains("vfio serve --config FILE");
    }
}
