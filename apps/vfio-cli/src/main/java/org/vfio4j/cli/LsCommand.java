package org.vfio4j.cli;

import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lists functions. */
@Command(
        name = "ls",
        description = "Lists the functions of this user's serving processes.",
        mixinStandardHelpOptions = true)
final class LsCommand implements Runnable {

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<ServerQuery.Found> functions = ServerQuery.functions();
        output.print("Function", functions, () -> print(functions));
    }

    private void print(List<ServerQuery.Found> functions) {
        if (functions.isEmpty()) {
            ServerQuery.explainNothing(output.err());
            return;
        }
        Table table = new Table("FUNCTION", "ID", "DRIVER", "DEVICE", "KIND", "WHAT", "PID", "SOCKET");
        for (ServerQuery.Found found : functions) {
            ServerState.Function f = found.function();
            table.row(
                    f.address(),
                    f.id(),
                    f.driver().isEmpty() ? "-" : f.driver(),
                    f.vfioDevice().isEmpty() ? "-" : f.vfioDevice(),
                    f.kind(),
                    f.description(),
                    Long.toString(found.pid()),
                    f.where().replace("(inherited socket)", "(inherited)"));
        }
        output.out().print(table);
    }
}
