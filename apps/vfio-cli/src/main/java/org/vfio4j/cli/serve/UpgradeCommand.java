package org.vfio4j.cli.serve;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.keep.Replacement;
import org.vfio4j.cli.machine.UpgradeOffer;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.upgrade.Rehearsal;
import org.vfio4j.cli.upgrade.Takeover;
import org.vfio4j.sys.ErrnoException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Becomes the process that serves, in the place of one that does. */
@Command(
        name = UpgradeCommand.NAME,
        description = {
            "Takes over what another process serves, with its clients connected, and serves until SIGTERM.",
            "The other process ends; its virtual machines notice no more than a pause of some milliseconds. When anything fails"
                    + " it serves on.",
            "For one that is supervised, has its keeper start another in its place, and ends when that serves."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio upgrade", "  vfio upgrade 4711"})
public final class UpgradeCommand implements Callable<Integer> {

    public static final String NAME = "upgrade";

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Parameters(
            arity = "0..1",
            paramLabel = "PID",
            description = "The process (default: the one that serves, if there is one).")
    private @Nullable Long pid;

    @Override
    public Integer call() throws Exception {
        long from = pid == null ? onlyServer() : pid;
        try {
            return ServerDirectory.isSupervised(from) ? replace(from) : takeOver(from);
        } catch (CommandLine.ParameterException e) {
            throw new CliException(
                    ExitCode.UNSUPPORTED,
                    "process " + from + " was started in a way that this version does not know: " + e.getMessage(),
                    "vfio serve --help");
        }
    }

    private int takeOver(long from) throws Exception {
        try (Takeover takeover = Takeover.of(from)) {
            UpgradeOffer offer = takeover.offer();
            checkDirectory(from, offer.directory());
            Rehearsal.alone();
            return serve(offer.arguments(), Optional.of(takeover)).call();
        }
    }

    private int replace(long from) {
        PrintWriter err = spec.commandLine().getErr();
        // One that has just begun takes no requests yet.
        ServerDirectory.awaitServer(from);
        try (Replacement replacement = Replacement.ask(from)) {
            err.println("process " + from + " is supervised: its keeper starts another in its place");
            Replacement.Done done = replacement.await();
            err.printf(
                    Locale.ROOT,
                    "process %d took over %d functions; their clients waited for %.1f ms%n",
                    done.pid(),
                    done.functions(),
                    done.waitedNs() / 1e6);
            ServeCommand serve = serve(replacement.arguments(), Optional.empty());
            ServerDirectory.awaitServer(done.pid()).ifPresent(serve::announce);
            return ExitCode.OK;
        } catch (ErrnoException e) {
            throw new CliException(e, "vfio ls");
        }
    }

    /** The command of a server that was started with these words. */
    private ServeCommand serve(List<String> arguments, Optional<Takeover> takeover) {
        List<List<String>> groups = ServeWords.groups(arguments.toArray(String[]::new));
        ServeCommand serve = new ServeCommand(groups.subList(1, groups.size()), arguments, takeover);
        CommandLine line = new CommandLine(serve);
        line.setOut(spec.commandLine().getOut()).setErr(spec.commandLine().getErr());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        List<String> words = groups.getFirst();
        line.parseArgs(words.subList(1, words.size()).toArray(String[]::new));
        return serve;
    }

    private static long onlyServer() {
        List<ServerState> servers = ServerDirectory.servers();
        if (servers.isEmpty()) {
            throw new CliException(ExitCode.NOT_FOUND, "nobody serves anything here", ServerQuery.NOTHING_SERVED);
        }
        if (servers.size() > 1) {
            throw CliException.usage(
                    servers.size() + " processes serve",
                    "vfio upgrade " + servers.getFirst().pid());
        }
        return servers.getFirst().pid();
    }

    /** Relative paths on its command line are meant from there, and a process of Java cannot go anywhere. */
    private static void checkDirectory(long pid, String directory) {
        Path here = Path.of("").toAbsolutePath();
        if (!here.equals(Path.of(directory))) {
            throw CliException.usage(
                    "process " + pid + " was started in " + directory + ", this one in " + here,
                    "cd " + directory + " && vfio upgrade " + pid);
        }
    }
}
