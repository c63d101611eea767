package org.vfio4j.cli.guest;

import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.state.GuestStatus;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.ProgressLine;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import sun.misc.Signal;

/** Moves a guest to another hypervisor while it runs. */
@Command(
        name = "migrate",
        description =
                "Moves the guest that uses a device to another process, of this machine or another, while it runs. When that fails,"
                        + " or is called off by Ctrl-C, the guest goes on where it was.",
        mixinStandardHelpOptions = true,
        subcommands = AcceptCommand.class,
        footer = {
            "",
            "Examples:",
            "  vfio migrate accept --listen tcp:192.0.2.2:7000 --socket-path /tmp/disk.sock     (there)",
            "  vfio migrate /tmp/disk.sock tcp:192.0.2.2:7000 --max-downtime 20ms               (here)"
        })
public final class MigrateCommand implements Callable<Integer> {

    private static final Pattern TIME = Pattern.compile("(\\d{1,9}(?:\\.\\d{1,9})?)(us|ms|s|min)");
    private static final long LOOK_NS = 100_000_000;
    private static final double MB = 1e6;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "ID",
            description = "The guest's device: address, VFIO device, or socket; or the guest's process.")
    private String id = "";

    @Parameters(index = "1", arity = "0..1", paramLabel = "tcp:HOST:PORT", description = "Where accept listens.")
    private String destination = "";

    @Option(
            names = "--max-downtime",
            paramLabel = "TIME",
            description = "How long the guest may stand still, with us, ms or s (default 50ms).")
    private String maxDowntime = "50ms";

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            description = "How long it may take until the guest can be stopped for that long (default 5min).")
    private String timeout = "5min";

    @Option(
            names = "--storage",
            paramLabel = "HOW",
            description = "shared: both sides have the same; copy: it goes along, and accept has --storage=copy too"
                    + " (default shared).")
    private String storage = GuestRequest.SHARED;

    @Option(
            names = "--resume",
            description =
                    "Let a guest go on here that is stopped because the other side has not answered. Only when it does"
                            + " not run there.")
    private boolean resume;

    @Mixin
    private TlsOption tls = new TlsOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public Integer call() {
        if (id.isEmpty() || (destination.isEmpty() != resume)) {
            throw CliException.usage("a guest and where it goes are needed", "vfio migrate ID tcp:HOST:PORT");
        }
        if (resume) {
            GuestStatus status = ask(GuestChoice.find(id), GuestRequest.of(GuestRequest.RESUME));
            output.print("GuestStatus", List.of(status), () -> output.out().println("the guest goes on"));
            return ExitCode.OK;
        }
        GuestRequest request = new GuestRequest(
                GuestRequest.MIGRATE,
                TcpAddress.parse("destination", destination).toString(),
                milliseconds("--max-downtime", maxDowntime),
                milliseconds("--timeout", timeout),
                checkedStorage(storage),
                tls.tls());
        long pid = GuestChoice.find(id);
        AtomicBoolean interrupted = new AtomicBoolean();
        for (String name : List.of("INT", "TERM")) {
            Signal.handle(new Signal(name), signal -> interrupted.set(true));
        }
        return report(follow(pid, ask(pid, request), interrupted));
    }

    private GuestStatus follow(long pid, GuestStatus first, AtomicBoolean interrupted) {
        GuestStatus status = first;
        boolean cancelled = false;
        try (ProgressLine line = new ProgressLine(output.err())) {
            while (status.migration().phase().equals(GuestStatus.MOVING)) {
                line.show(describe(status.migration()));
                LockSupport.parkNanos(LOOK_NS);
                if (interrupted.get() && !cancelled) {
                    cancelled = true;
                    status = ask(pid, GuestRequest.of(GuestRequest.CANCEL));
                } else {
                    status = ask(pid, GuestRequest.of(GuestRequest.STATUS));
                }
            }
        }
        return status;
    }

    private int report(GuestStatus status) {
        GuestStatus.Migration end = status.migration();
        if (end.phase().equals(GuestStatus.IN_DOUBT)) {
            throw new CliException(
                    ExitCode.FAILED,
                    end.message(),
                    "look whether it runs there, and only if not: vfio migrate " + id + " --resume");
        }
        if (!end.phase().equals(GuestStatus.MOVED)) {
            throw new CliException(
                    ExitCode.of((int) end.errno()), end.message() + "; the guest goes on here", hint((int)
                            end.errno()));
        }
        output.print(
                "Migration",
                List.of(end),
                () -> output.out()
                        .println(String.format(
                                Locale.ROOT,
                                "moved to %s: downtime %.1f ms, total %.0f ms, %d rounds, %.1f MB at %.0f MB/s",
                                destination,
                                end.downtimeMs(),
                                end.totalMs(),
                                end.round(),
                                end.sentBytes() / MB,
                                end.bytesPerSecond() / MB)));
        return ExitCode.OK;
    }

    private GuestStatus ask(long pid, GuestRequest request) {
        return GuestStatus.parse(ControlClient.item(
                ControlClient.exchange(pid, request.line(), Duration.ZERO, output.err()),
                errno -> errno == Errno.EBUSY ? "wait until it has ended" : "vfio migrate --help"));
    }

    /** @throws CliException for another word */
    static String checkedStorage(String how) {
        if (!how.equals(GuestRequest.SHARED) && !how.equals(GuestRequest.COPY)) {
            throw CliException.usage("--storage " + how + ": there are shared and copy", "--storage=copy");
        }
        return how;
    }

    private static String describe(GuestStatus.Migration now) {
        String line = String.format(
                Locale.ROOT,
                "round %d: %.1f MB sent at %.0f MB/s, %.1f MB left",
                now.round(),
                now.sentBytes() / MB,
                now.bytesPerSecond() / MB,
                now.leftBytes() / MB);
        if (now.storageLeftBytes() > 0) {
            line += String.format(Locale.ROOT, " (%.1f MB of storage)", now.storageLeftBytes() / MB);
        }
        return now.expectedDowntimeMs() < 0
                ? line
                : line
                        + String.format(
                                Locale.ROOT,
                                ", %.0f MB/s dirty, expected downtime %.1f ms",
                                now.dirtyBytesPerSecond() / MB,
                                now.expectedDowntimeMs());
    }

    private static String hint(int errno) {
        return switch (errno) {
            case Errno.ECONNREFUSED, Errno.ECONNRESET, Errno.ENOENT ->
                "vfio migrate accept --listen tcp:HOST:PORT --socket-path PATH, there";
            case Errno.ETIMEDOUT -> "a longer --max-downtime or --timeout, or a quieter guest";
            case Errno.ECANCELED -> "the same again";
            case Errno.ENOSPC -> "room for the guest's storage, there";
            case Errno.EACCES -> "--tls-truststore with the other side's certificate, on both sides";
            default -> "vfio show, on both sides, to compare the devices";
        };
    }

    private static double milliseconds(String option, String text) {
        Matcher m = TIME.matcher(text);
        if (!m.matches()) {
            throw CliException.usage(option + " " + text + ": expected a time with us, ms, s or min", option + " 50ms");
        }
        double value = Double.parseDouble(m.group(1));
        double ms = switch (m.group(2)) {
            case "us" -> value / 1000;
            case "ms" -> value;
            case "s" -> value * 1000;
            default -> value * 60_000;
        };
        try {
            return new GuestRequest(GuestRequest.MIGRATE, "", ms, ms, GuestRequest.SHARED, new MigrationTls("", "", ""))
                    .timeoutMs();
        } catch (ErrnoException e) {
            throw CliException.usage(option + " " + text + ": more than 0, and at most a day", option + " 50ms");
        }
    }
}
