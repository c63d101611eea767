package org.vfio4j.cli.inspect;

import java.util.List;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.Output;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lists functions and mediated devices. */
@Command(
        name = "ls",
        description = "Lists the functions and mediated devices of this user's serving processes.",
        mixinStandardHelpOptions = true)
public final class LsCommand implements Runnable {

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<ServerQuery.Found> functions = ServerQuery.functions();
        List<ServerQuery.FoundMdev> mdevs = ServerQuery.mdevs();
        if (output.isJson()) {
            output.out().println(Output.json(functions, mdevs));
        } else {
            print(functions, mdevs);
        }
        output.out().flush();
    }

    private void print(List<ServerQuery.Found> functions, List<ServerQuery.FoundMdev> mdevs) {
        if (functions.isEmpty() && mdevs.isEmpty()) {
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
        for (ServerQuery.FoundMdev found : mdevs) {
            ServerState.Mdev mdev = found.mdev();
            table.row(
                    mdev.uuid(),
                    "-",
                    VfioMdevDriver.NAME,
                    mdev.vfioDevice(),
                    mdev.type(),
                    mdev.description() + ", of " + mdev.parent(),
                    Long.toString(found.pid()),
                    mdev.socket());
        }
        output.out().print(table);
    }
}
