package org.vfio4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.VirtioBlkKind;
import org.vfio4j.cli.guest.MigrationRehearsal;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.upgrade.Rehearsal;
import org.vfio4j.sys.Preload;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import picocli.CommandLine.Command;

/**
 * What the JVM watches when the launcher makes its AOT cache: the classes that the usual commands load, and the methods that a process uses
 * while its guests wait, which it then compiles before they are used much.
 */
@Command(name = "aot-train", hidden = true)
final class AotTrainCommand implements Callable<Integer> {

    @Override
    public Integer call() throws IOException {
        Preload.start();
        Path directory = Files.createTempDirectory("vfio4j-train");
        try {
            PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
            String socket = directory.resolve("disk.sock").toString();
            Main.run(nowhere, nowhere, "serve", "virtio-blk", "memory=1M", "--socket-path", socket, "--run", "exit 0");
            Main.run(nowhere, nowhere, "ls");
            Main.run(nowhere, nowhere, "config", "check", "shipped:bluefield");
            try (Machine machine = new Machine()) {
                machine.add(new VirtioBlkKind().plan(Setting.parse(List.of("memory=1M"))))
                        .serve(new Endpoint.AtPath(Path.of(socket)), VfioUserServerOptions.DEFAULTS);
                String[] words = {"bench", "--socket-path", socket, "--seconds", "1", "--queue-depth", "4"};
                Main.run(nowhere, nowhere, words);
            }
            Rehearsal.training();
            MigrationRehearsal.run();
            return ExitCode.OK;
        } finally {
            Files.delete(directory);
        }
    }
}
