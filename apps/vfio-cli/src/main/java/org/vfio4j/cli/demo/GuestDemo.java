package org.vfio4j.cli.demo;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/** The demonstration in a guest: an unmodified kernel in an unmodified QEMU, which the scripts of the source tree find. */
final class GuestDemo {

    private static final String MARK = "@@";
    private static final String SCRIPT = """
            for disk in /sys/block/vd?; do
                echo "$(basename $disk): $(cat $disk/size) sectors, serial $(cat $disk/serial)"
            done
            echo "making ext4 on vda, writing 16 MiB, syncing, mounting it again"
            mke2fs -q -t ext4 /dev/vda && mkdir -p /mnt && mount -t ext4 /dev/vda /mnt || exit 1
            dd if=/dev/urandom of=/mnt/file bs=1M count=16 2>/dev/null && sync || exit 1
            sum=$(md5sum /mnt/file) && umount /mnt && echo 3 > /proc/sys/vm/drop_caches || exit 1
            mount -t ext4 /dev/vda /mnt || exit 1
            [ "$(md5sum /mnt/file)" = "$sum" ] && echo "read back: the same bytes" && umount /mnt
            """;

    /** Ends what it runs at the end of its standard input, which is this process's end, however that comes. */
    private static final String ENDS_WITH_INPUT = """
            exec 3<&0
            "$@" </dev/null 3<&- &
            guest=$!
            (cat <&3; kill $guest) >/dev/null 2>&1 &
            wait $guest
            """;

    private final Path runGuest;

    private GuestDemo(Path runGuest) {
        this.runGuest = runGuest;
    }

    /** @throws CliException with {@link ExitCode#UNSUPPORTED} when there is no QEMU that speaks vfio-user */
    static GuestDemo find() throws IOException, InterruptedException {
        String root = System.getProperty("vfio4j.root", ".");
        Path scripts = Path.of(root, "quality", "it", "bin");
        Path getQemu = scripts.resolve("get-qemu");
        if (!Files.isExecutable(getQemu)) {
            throw new CliException(
                    ExitCode.UNSUPPORTED, "--vm needs the source tree, which is not at " + root, "vfio demo");
        }
        Process finding = new ProcessBuilder(getQemu.toString(), "--find")
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        if (finding.waitFor() != 0) {
            throw new CliException(
                    ExitCode.UNSUPPORTED,
                    "--vm needs a QEMU with vfio-user-pci (10.1 or newer), and there is none",
                    getQemu
                            + ", which fetches one from Debian (40 MB, no root); or VFIO4J_QEMU=/path/to/qemu-system-x86_64");
        }
        return new GuestDemo(scripts.resolve("run-guest"));
    }

    /** Boots a guest with the disks, and passes on what it says. */
    void run(List<ServerState.Function> functions, PrintWriter out) throws IOException, InterruptedException {
        Path script = Files.createTempFile("vfio4j-demo", ".sh");
        try {
            Files.writeString(script, SCRIPT);
            List<String> command = new ArrayList<>(List.of(
                    "/bin/sh", "-c", ENDS_WITH_INPUT, "sh", runGuest.toString(), "--script", script.toString()));
            functions.forEach(function -> command.addAll(List.of("--disk", function.socket())));
            out.println("A Linux guest in QEMU, with its own virtio_blk driver:");
            out.println();
            out.flush();
            Process guest =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            boolean passed = follow(guest, out);
            guest.waitFor();
            guest.getOutputStream().close();
            if (!passed) {
                throw new CliException(
                        ExitCode.FAILED, "the guest did not end well", runGuest + " --disk SOCKET, for a shell");
            }
        } finally {
            Files.deleteIfExists(script);
        }
    }

    private static boolean follow(Process guest, PrintWriter out) throws IOException {
        boolean passed = false;
        try (BufferedReader console =
                new BufferedReader(new InputStreamReader(guest.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = console.readLine(); line != null; line = console.readLine()) {
                if (line.startsWith(MARK)) {
                    passed = line.strip().equals(MARK + "0");
                } else {
                    out.println("  guest: " + line.strip());
                    out.flush();
                }
            }
        }
        return passed;
    }
}
