package org.vfio4j.cli.guest;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.vfio4j.cli.control.ControlSocket;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.process.StopSignal;
import org.vfio4j.cli.state.GuestStatus;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.vmm.DiskGuest;
import org.vfio4j.userspace.vmm.VirtualMachine;

/** Runs a guest to its end, where other processes find it, and tells how it was. */
final class GuestRun {

    /**
     * How a guest was.
     *
     * @param end {@code MOVED} or {@code VERIFIED}
     * @param checked blocks and pages that were read back and were right, when it was not moved
     */
    record Result(String end, long reads, long writes, long pages, long moves, long checked) {}

    private static final long NS_PER_SECOND = 1_000_000_000;

    private final OutputOption output;
    private final StopSignal stop;

    GuestRun(OutputOption output, StopSignal stop) {
        this.output = output;
        this.stop = stop;
    }

    /**
     * @param machine its guest runs; device and memory are closed here
     * @param seconds how long; 0 for no limit
     */
    void run(VirtualMachine machine, Path socket, ServerDirectory directory, double seconds)
            throws InterruptedException {
        GuestSession session = new GuestSession(machine, socket);
        long limitNs = seconds == 0 ? Long.MAX_VALUE : (long) (seconds * NS_PER_SECOND);
        boolean moved;
        try (ControlSocket control = ControlSocket.listen(
                directory.control(),
                session::answer,
                line -> Optional.empty(),
                ServerControl.failure(
                        Errno.EAGAIN, "the process takes " + ControlSocket.MAX_CONNECTIONS + " requests"))) {
            directory.publish(session.status());
            moved = session.await(stop, limitNs);
            control.awaitReplies();
        }
        end(machine, socket, moved, session.status().migration());
    }

    private void end(VirtualMachine machine, Path socket, boolean moved, GuestStatus.Migration migration) {
        DiskGuest guest = (DiskGuest) machine.guest();
        try {
            if (migration.phase().equals(GuestStatus.IN_DOUBT)) {
                // It may run there: its requests are not made again here.
                guest.forget();
                throw new CliException(ExitCode.FAILED, migration.message(), "look whether the guest runs there");
            }
            long checked = moved ? 0 : guest.finish();
            DiskGuest.Counters was = guest.counters();
            Result result = new Result(
                    moved ? GuestStatus.MOVED : "VERIFIED",
                    was.reads(),
                    was.writes(),
                    was.pages(),
                    was.moves(),
                    checked);
            output.print("Guest", List.of(result), () -> output.out().println(describe(result)));
        } catch (ErrnoException e) {
            throw e.errno() == Errno.ENOTCONN
                    ? new CliException(
                            ExitCode.UNREACHABLE,
                            "the server at " + socket + " has gone while the guest ran",
                            "vfio serve ... --supervised, which outlives the end of the server's process")
                    : new CliException(e, "vfio show on the device's function");
        } finally {
            machine.device().close();
            machine.memory().close();
        }
    }

    private static String describe(Result result) {
        String did = String.format(
                Locale.ROOT,
                "%d reads, %d writes, %d pages of memory, %d moves",
                result.reads(),
                result.writes(),
                result.pages(),
                result.moves());
        return result.end().equals(GuestStatus.MOVED)
                ? "the guest has moved: " + did
                : "the guest has ended: " + did + "; " + result.checked() + " blocks and pages read back and right";
    }
}
