package org.vfio4j.cli;

import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Lists functions. */
@Command(
        name = "ls",
        description = "Lists the functions of this user's serving processes.",
        mixinStandardHelpOptions = true)
final class LsCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Option(
            names = {"-o", "--output"},
            description = "table or json (default table).")
    private Output.Format output = Output.Format.TABLE;

    @Override
    public void run() {
        List<ServerQuery.Found> functions = ServerQuery.functions();
        if (output == Output.Format.JSON) {
            spec.commandLine().getOut().println(Output.json("Function", functions));
        } else if (functions.isEmpty()) {
            ServerQuery.explainNothing(spec.commandLine().getErr());
        } else {
            Table table = new Table("FUNCTION", "ID", "DRIVER", "DEVICE", "KIND", "WHAT", "PID", "SOCKET");
            for (ServerQuery.Found found : functions) {
                ServerState.Function f = found.function();
                table.row(
                        f.address(),
                        f.id(),
                        f.driver(),
                        f.vfioDevice(),
                        f.kind(),
                        f.description(),
                        Long.toString(found.pid()),
                        f.socket().isEmpty() ? "(inherited)" : f.socket());
            }
            spec.commandLine().getOut().print(table);
        }
        spec.commandLine().getOut().flush();
    }
}
