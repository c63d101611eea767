package org.vfio4j.cli.serve;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.cli.machine.MdevHost;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.mdev.MdevTypeState;
import org.vfio4j.cli.state.QemuLine;
import org.vfio4j.cli.state.ServerState;

/** What a process says that begins to serve: where, and how that is used. Stateless. */
final class Announcement {

    private Announcement() {}

    /**
     * For people.
     *
     * @param mdevs of this process; empty for another's
     * @param mount where {@code --sysfs-fuse} has put its tree
     */
    static void print(PrintWriter out, ServerState state, Optional<MdevHost> mdevs, Optional<Path> mount) {
        for (ServerState.Function function : state.functions()) {
            out.println(where(function) + ": " + function.address() + " " + function.kind() + ", "
                    + function.description());
        }
        mdevs.ifPresent(host -> print(out, host));
        out.println("qemu: " + QemuLine.MEMORY);
        state.functions().stream()
                .filter(function -> !function.socket().isEmpty())
                .forEach(function -> out.println("      " + QemuLine.device(function.socket())));
        mdevs.ifPresent(host -> host.states().forEach(mdev -> out.println("      " + QemuLine.device(mdev.socket()))));
        mount.ifPresent(path -> out.println("sysfs: " + path));
        out.println("lspci: lspci -A linux-sysfs -O sysfs.path=" + state.sysfs() + " -vv");
    }

    /** For scripts: one line, of QEMU's options. */
    static void printQemu(PrintWriter out, ServerState state) {
        out.print(QemuLine.MEMORY);
        state.functions().stream()
                .filter(function -> !function.socket().isEmpty())
                .forEach(function -> out.print(" " + QemuLine.device(function.socket())));
        out.println();
    }

    private static void print(PrintWriter out, MdevHost mdevs) {
        for (MdevState mdev : mdevs.states()) {
            out.println(
                    "listening on " + mdev.socket() + ": " + mdev.uuid() + " " + mdev.type() + " of " + mdev.parent());
        }
        for (MdevTypeState type : mdevs.types()) {
            out.println("mdev type " + type.type() + " of " + type.parent() + ": " + type.availableInstances()
                    + " available, " + type.name());
        }
    }

    private static String where(ServerState.Function function) {
        if (!function.serving().equals(ServerState.Function.UNSERVED)) {
            return "listening on " + (function.socket().isEmpty() ? "an inherited socket" : function.socket());
        }
        boolean inUse = function.vfioDevice().isEmpty() && !function.driver().isEmpty();
        return inUse ? "used by " + function.driver() : "not served";
    }
}
