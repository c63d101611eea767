package org.vfio4j.cli.change;

import java.util.List;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lists the functions that DPUs emulate. */
@Command(
        name = "list",
        description = "Lists the functions that the DPUs of this user's serving processes emulate.",
        mixinStandardHelpOptions = true)
final class SnapListCommand implements Runnable {

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<ServerQuery.Found> functions = ServerQuery.functions().stream()
                .filter(found -> !found.function().emulatedBy().isEmpty())
                .toList();
        output.print("Function", functions, () -> print(functions));
    }

    private void print(List<ServerQuery.Found> functions) {
        if (functions.isEmpty()) {
            output.err().println("vfio: no DPU emulates a function here");
            output.err().println("try: vfio serve --config shipped:bluefield");
            return;
        }
        Table table = new Table("FUNCTION", "BEHIND", "KIND", "WHAT", "AUXILIARY", "DRIVER", "PID", "SOCKET");
        for (ServerQuery.Found found : functions) {
            ServerState.Function f = found.function();
            table.row(
                    f.address(),
                    f.emulatedBy(),
                    f.kind(),
                    f.description(),
                    f.auxiliary().isEmpty() ? "-" : f.auxiliary(),
                    f.driver().isEmpty() ? "-" : f.driver(),
                    Long.toString(found.pid()),
                    f.where());
        }
        output.out().print(table);
    }
}
