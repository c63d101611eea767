package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.MttyKind;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;

/** Whatever is wrong with a command is told in two lines: what it is, and what to try, which must be possible. */
class HintsTest {

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '^',
            value = {
                "foo | 2 | unexpected argument: 'foo' | vfio --help",
                "shwo | 2 | unexpected argument: 'shwo' | show, or: vfio --help",
                "ls x y | 2 | unexpected arguments: 'x', 'y' | vfio ls --help",
                "ls -o yaml | 2 | expected one of [TABLE, JSON] | vfio ls --help",
                "tree --server 1 | 2 | Unknown options: '--server', '1' | vfio tree --help",
                "show @empty | 3 | which function? The ID is empty | vfio ls",
                "show @directory | 3 | no function | vfio ls",
                "stat --server 2147483646 | 3 | no serving process 2147483646 | vfio ls",
                "top --interval 0 | 2 | --interval 0: the limits are 0.1 and 3600 | --interval 1",
                "top --interval abc | 2 | 'abc' is no number | vfio top --help",
                "resize x -5 | 2 | SIZE=-5: expected a size | a size as 2G",
                "resize x 1G --namespace x | 2 | 'x' is no whole number | vfio resize --help",
                "limit x --bandwidth zz | 2 | --bandwidth=zz: expected a size | --bandwidth 200M",
                "unbind x --timeout 99999999 | 2 | --timeout 99999999: the limits are 0 and 3600 | --timeout 30",
                "snap delete x --timeout NaN | 2 | --timeout NaN: the limits are 0 and 3600 | --timeout 30",
                "snap create x nvme null=1M --virtual-function block=7 | 2 | virtual function 0: block=7: expected | block=4096",
                "snap create x virtio-blk null=1M --virtual-function zzzz | 2 | virtual function 0: virtio-blk has no | one of file",
                "snap create x nvme null=1M --virtual-function null=1M,socket-path=a --virtual-function null=1M,socket-path=a | 2"
                        + " | socket-path=a: another virtual function is served there | a socket-path for each",
                "snap create x nvme null=1M --socket-path a --virtual-function null=1M,socket-path=./a | 2"
                        + " | socket-path=./a: the function itself is served there | a socket-path for each",
                "snap create x nvme null=1M --virtual-function | 2 | parameter for option '--virtual-function' | vfio snap create --help",
                "sriov x 1 --timeout -1 | 2 | --timeout -1: the limits are 0 and 3600 | --timeout 30",
                "sriov x y | 2 | Invalid value for NUMVFS: 'y' is no whole number | vfio sriov --help",
                "upgrade abc | 2 | Invalid value for PID: 'abc' is no whole number | vfio upgrade --help",
                "demo --upgrades 0 | 2 | --upgrades 0: the limits are 1 and 1000 | --upgrades 1",
                "demo --seconds -1 | 2 | --seconds -1: the limits are 0 and 86400 | --seconds 1",
                "guest --socket-path x --queue-depth -1 | 2 | --queue-depth -1: the limits are 0 and 128 | --queue-depth 16",
                "guest --socket-path x --reads 101 | 2 | --reads 101: the limits are 0 and 100 | --reads 50",
                "guest --socket-path x --memory 3 | 2 | --memory 3: a multiple of 2 MiB | --memory 64M",
                "guest --socket-path x --memory 0 | 2 | --memory 0: a multiple of 2 MiB | --memory 64M",
                "guest --socket-path @none | 3 | ENOENT | or: vfio serve virtio-blk memory=512M --socket-path @none",
                "guest --socket-path @directory | 6 | ECONNREFUSED | another --socket-path: @directory is no socket",
                "guest --socket-path @file | 6 | ECONNREFUSED | another --socket-path: @file is no socket",
                "guest --socket-path @long | 1 | the limit is 107 | a path of at most 107 bytes, or cd to its directory",
                "bench --socket-path @directory | 6 | ECONNREFUSED | another --socket-path: @directory is no socket",
                "bench --socket-path x --block-size zz | 2 | expected a size | --block-size 4K",
                "migrate x foo | 2 | destination foo: expected tcp:HOST:PORT | tcp:127.0.0.1:7000",
                "migrate accept --listen tcp:127.0.0.1:0 --socket-path @none | 3 | no socket at @none | vfio ls",
                "migrate accept --listen tcp:127.0.0.1:0 --socket-path @file | 3 | no socket at @file, but something else | another",
                "mdev start | 2 | which mdev? | vfio mdev types for what can be made",
                "top -n 1 --server 2147483646 | 3 | no serving process 2147483646 | vfio ls",
                "serve virtio-blk memory=1M --fd -1 | 2 | --fd -1: the limits are 0 and 2147483647 | --fd 3",
                "serve virtio-blk memory=1M qeues=1 --socket-path x | 2 | no setting 'qeues' | queues, of file",
                "serve virtio-blk memory=1M zzzz=1 --socket-path x | 2 | no setting 'zzzz' | one of file, memory",
            })
    void saysWhatIsWrongAndWhatToTry(String words, int exitCode, String what, String hint) throws IOException {
        Files.writeString(directory.resolve("file"), "");
        Cli run = Cli.run(Arrays.stream(words.split(" ", -1)).map(this::word).toArray(String[]::new));
        assertThat(run.exitCode()).as(run.err()).isEqualTo(exitCode);
        assertThat(run.errorLines()).as(run.err()).hasSize(2);
        assertThat(run.errorLines()[0]).startsWith("vfio: ").contains(resolved(what));
        assertThat(run.errorLines()[1]).startsWith("try: ").contains(resolved(hint));
        assertThat(run.out()).isEmpty();
    }

    @Test
    void anMdevsSocketIsRefusedWithAdviceForIt() throws IOException {
        try (ServerDirectory own = ServerDirectory.create();
                Machine machine = new Machine()) {
            machine.mdevs().add(new MttyKind().plan(List.of()));
            try (ServerControl control = ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty())) {
                String pid = Long.toString(ProcessHandle.current().pid());
                Cli run = Cli.run(
                        "mdev",
                        "start",
                        "-p",
                        "mtty",
                        "-t",
                        "mtty-1",
                        "--socket-path",
                        directory.toString(),
                        "--server",
                        pid);
                assertThat(run.exitCode()).as(run.err()).isEqualTo(ExitCode.FAILED);
                assertThat(run.errorLines()[1]).isEqualTo("try: another --socket-path: what is there is not removed");
                assertThat(control.state().mdevs()).isEmpty();
            }
        }
    }

    private String word(String text) {
        return text.equals("@empty") ? "" : resolved(text);
    }

    private String resolved(String text) {
        return text.replace("@directory", directory.toString())
                .replace("@file", directory.resolve("file").toString())
                .replace("@none", directory.resolve("none").toString())
                .replace("@long", directory.resolve("x".repeat(200)).toString());
    }
}
