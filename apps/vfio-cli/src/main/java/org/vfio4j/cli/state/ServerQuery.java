package org.vfio4j.cli.state;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** What the commands that look at serving processes have in common. */
public final class ServerQuery {

    public static final String NOTHING_SERVED = "vfio serve virtio-blk memory=512M --socket-path /tmp/disk.sock";

    private ServerQuery() {}

    /** A function and the process that has it. */
    public record Found(long pid, String sysfs, ServerState.Function function) {}

    /** An auxiliary device and the process that has it. */
    public record FoundPart(long pid, String sysfs, ServerState.Auxiliary auxiliary) {}

    /** A mediated device and the process that has it. */
    public record FoundMdev(long pid, String sysfs, ServerState.Mdev mdev) {}

    /** All mediated devices of all serving processes. */
    public static List<FoundMdev> mdevs() {
        List<FoundMdev> found = new ArrayList<>();
        for (ServerState server : ServerDirectory.servers()) {
            server.mdevs().forEach(mdev -> found.add(new FoundMdev(server.pid(), server.sysfs(), mdev)));
        }
        return found;
    }

    /** All auxiliary devices of all serving processes. */
    public static List<FoundPart> parts() {
        List<FoundPart> found = new ArrayList<>();
        for (ServerState server : ServerDirectory.servers()) {
            server.auxiliary().forEach(part -> found.add(new FoundPart(server.pid(), server.sysfs(), part)));
        }
        return found;
    }

    /** All functions of all serving processes. */
    public static List<Found> functions() {
        List<Found> found = new ArrayList<>();
        for (ServerState server : ServerDirectory.servers()) {
            server.functions().forEach(function -> found.add(new Found(server.pid(), server.sysfs(), function)));
        }
        return found;
    }

    /** Nothing is no failure, but leaves a person wondering. */
    public static void explainNothing(PrintWriter err) {
        err.println("vfio: nobody serves a function here");
        err.println("try: " + NOTHING_SERVED);
    }
}
