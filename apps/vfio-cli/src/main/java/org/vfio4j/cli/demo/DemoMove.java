package org.vfio4j.cli.demo;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import org.vfio4j.cli.state.ServerState;

/**
 * The second half of the demonstration: a guest that uses a disk moves to another server while it runs, and then that server is replaced
 * by a new process. Each step is a command that a user could type, in a process of its own.
 */
final class DemoMove {

    private static final String LISTENING = "waiting for a guest at ";
    private static final String RUNNING = "a guest runs";
    private static final String DISK = "snap-0.sock";
    private static final long WORK_MS = 1000;

    private final Path top;
    private final Path image;
    private final int upgrades;
    private final PrintWriter out;

    /**
     * @param top where directories may be made
     * @param image the file of the disk that moves
     * @param upgrades how often the second server is replaced
     */
    DemoMove(Path top, Path image, int upgrades, PrintWriter out) {
        this.top = top;
        this.image = image;
        this.upgrades = upgrades;
        this.out = out;
    }

    void run(DemoServer here) throws IOException, InterruptedException {
        try (DemoServer there = DemoServer.start(top.resolve("2"), image, true);
                VfioProcess guest = VfioProcess.start(
                        here.directory(), "guest", "--socket-path", DISK, "--memory", "64M", "--dirty-rate", "10M")) {
            ServerState server = there.awaitState();
            say(
                    "A guest in user space writes to the first disk and to its memory, and moves to a second server of that disk:");
            try (VfioProcess accept = VfioProcess.start(
                    there.directory(), "migrate", "accept", "--listen", "tcp:127.0.0.1:0", "--socket-path", DISK)) {
                move(here, guest, accept);
                say(
                        "The second server is replaced by a new process, while that guest and a driver on the other disk work:");
                Path other = Path.of(DemoServer.disks(server).getLast().socket());
                new DemoUpgrades(there, other, out).run(upgrades, () -> {
                    say("The guest ends, and reads back all that it has written, at whichever server:");
                    out.println("  " + lastLine(accept.stop()));
                });
            }
        }
    }

    private void move(DemoServer here, VfioProcess guest, VfioProcess accept) throws InterruptedException {
        command(guest);
        guest.await(RUNNING);
        String address = accept.await(LISTENING).substring(LISTENING.length());
        command(accept);
        Thread.sleep(WORK_MS);
        try (VfioProcess migrate =
                VfioProcess.start(here.directory(), "migrate", Long.toString(guest.pid()), address)) {
            command(migrate);
            out.println("  " + lastLine(migrate.awaitEnd()));
        }
        guest.awaitEnd();
        accept.await(RUNNING);
    }

    private void say(String what) {
        out.println();
        out.println(what);
        out.println();
        out.flush();
    }

    private void command(VfioProcess process) {
        out.println("  $ " + process.line());
        out.flush();
    }

    private static String lastLine(String printed) {
        return List.of(printed.split("\n", -1)).getLast();
    }
}
