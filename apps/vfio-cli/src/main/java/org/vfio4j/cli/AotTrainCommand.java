package org.vfio4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.vfio4j.sys.Preload;
import picocli.CommandLine.Command;

/** What the JVM watches when the launcher makes its AOT cache: the classes that the usual commands load. */
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
            return Main.run(nowhere, nowhere, "demo", "--size", "4M", "--seconds", "0.2");
        } finally {
            Files.delete(directory);
        }
    }
}
