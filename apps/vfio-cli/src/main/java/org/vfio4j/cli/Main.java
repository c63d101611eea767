package org.vfio4j.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.bench.BenchCommand;
import org.vfio4j.cli.change.BindCommand;
import org.vfio4j.cli.change.LimitCommand;
import org.vfio4j.cli.change.ResizeCommand;
import org.vfio4j.cli.change.SnapCommand;
import org.vfio4j.cli.change.SriovCommand;
import org.vfio4j.cli.change.UnbindCommand;
import org.vfio4j.cli.config.ConfigCommand;
import org.vfio4j.cli.demo.DemoCommand;
import org.vfio4j.cli.guest.GuestCommand;
import org.vfio4j.cli.guest.MigrateCommand;
import org.vfio4j.cli.host.HostCommand;
import org.vfio4j.cli.inspect.DriversCommand;
import org.vfio4j.cli.inspect.LsCommand;
import org.vfio4j.cli.inspect.ModaliasCommand;
import org.vfio4j.cli.inspect.ShowCommand;
import org.vfio4j.cli.inspect.TreeCommand;
import org.vfio4j.cli.mdevctl.MdevCommand;
import org.vfio4j.cli.process.ParentPipe;
import org.vfio4j.cli.serve.ServeCommand;
import org.vfio4j.cli.serve.ServeWords;
import org.vfio4j.cli.serve.UpgradeCommand;
import org.vfio4j.cli.stat.StatCommand;
import org.vfio4j.cli.stat.TopCommand;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Preload;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** The command {@code vfio}. Data goes to standard output, everything else to standard error. */
public final class Main {

    private static final List<Class<?>> COMMANDS = List.of(
            DemoCommand.class,
            ServeCommand.class,
            LsCommand.class,
            TreeCommand.class,
            ShowCommand.class,
            StatCommand.class,
            TopCommand.class,
            BindCommand.class,
            UnbindCommand.class,
            ResizeCommand.class,
            LimitCommand.class,
            UpgradeCommand.class,
            SnapCommand.class,
            SriovCommand.class,
            ConfigCommand.class,
            MdevCommand.class,
            DriversCommand.class,
            ModaliasCommand.class,
            HostCommand.class,
            GuestCommand.class,
            MigrateCommand.class,
            BenchCommand.class,
            AotTrainCommand.class);

    private Main() {}

    public static void main(String[] args) {
        ParentPipe.watch();
        boolean serves = args.length > 0
                && List.of(ServeCommand.NAME, UpgradeCommand.NAME).contains(args[0]);
        if (serves && !ServeWords.isKeeper(args)) {
            Preload.start();
        }
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        System.exit(run(out, err, args));
    }

    /** Runs one command: its exit code. */
    static int run(PrintWriter out, PrintWriter err, String... args) {
        List<List<String>> groups = ServeWords.groups(args);
        List<String> words = groups.getFirst();
        CommandLine line =
                new CommandLine(new VfioCommand(), new Commands(groups.subList(1, groups.size()), List.of(args)));
        commands(words).forEach(line::addSubcommand);
        Optional.ofNullable(line.getSubcommands().get(ServeCommand.NAME))
                .ifPresent(serve -> serve.getCommandSpec().usageMessage().footer(ServeWords.footer()));
        int code = configured(line).setOut(out).setErr(err).execute(words.toArray(String[]::new));
        out.flush();
        return code;
    }

    // The parser reads the annotations of each command it knows: when one is named, the others only cost time.
    private static List<Class<?>> commands(List<String> words) {
        String wanted = words.isEmpty() ? "" : words.getFirst();
        return COMMANDS.stream()
                .filter(command -> command.getAnnotation(Command.class).name().equals(wanted))
                .findFirst()
                .<List<Class<?>>>map(List::of)
                .orElse(COMMANDS);
    }

    private static CommandLine configured(CommandLine line) {
        return line.setCaseInsensitiveEnumValuesAllowed(true)
                .setUsageHelpAutoWidth(true)
                .setAbbreviatedOptionsAllowed(false)
                .setParameterExceptionHandler(Main::misused)
                .setExecutionExceptionHandler((failure, command, parsed) -> failed(failure, command));
    }

    /** Makes the commands; serve gets its further devices, which are no business of the parser's. */
    private record Commands(List<List<String>> furtherDevices, List<String> arguments) implements CommandLine.IFactory {
        @Override
        public <K> K create(Class<K> type) throws Exception {
            return type == ServeCommand.class
                    ? type.cast(new ServeCommand(furtherDevices, arguments, Optional.empty()))
                    : CommandLine.defaultFactory().create(type);
        }
    }

    private static int misused(ParameterException e, String[] args) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        err.println("vfio: " + Misuse.describe(e));
        List<String> similar =
                e instanceof UnmatchedArgumentException unmatched ? unmatched.getSuggestions() : List.of();
        String help = command.getCommandSpec().qualifiedName() + " --help";
        err.println("try: " + (similar.isEmpty() ? help : String.join(", ", similar) + ", or: " + help));
        return ExitCode.USAGE;
    }

    private static int failed(Exception failure, CommandLine command) throws Exception {
        CliException told = switch (failure) {
            case CliException known -> known;
            case ErrnoException e ->
                new CliException(e, command.getCommandSpec().qualifiedName() + " --help");
            // The locale is C, as under systemd and cron, and the name is not ASCII.
            case InvalidPathException e ->
                CliException.usage(
                        "a path that this locale has no letters for: " + e.getInput(), "LC_ALL=C.UTF-8 vfio ...");
            default -> throw failure;
        };
        String name = command.getCommandSpec().qualifiedName().replaceFirst("^vfio ", "");
        command.getErr().println("vfio: " + name + ": " + told.getMessage());
        command.getErr().println("try: " + told.hint());
        return told.exitCode();
    }
}
