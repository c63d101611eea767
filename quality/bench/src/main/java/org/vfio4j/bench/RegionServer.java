package org.vfio4j.bench;

import java.nio.file.Path;
import java.util.Locale;
import org.vfio4j.vfiouser.EventLoop;

/**
 * Serves a disk whose event loop looks at a connection for as long as is said before it blocks. Arguments: socket, microseconds.
 * It ends with its process.
 */
public final class RegionServer {

    private RegionServer() {}

    public static void main(String[] args) throws InterruptedException {
        long spinNs = Long.parseLong(args[1]) * 1000;
        try (ServedDisk disk = new ServedDisk(Path.of(args[0]), new EventLoop(spinNs))) {
            System.out.printf(Locale.ROOT, "listening on %s, spins for %d ns%n", disk.socket(), spinNs);
            Thread.currentThread().join();
        }
    }
}
