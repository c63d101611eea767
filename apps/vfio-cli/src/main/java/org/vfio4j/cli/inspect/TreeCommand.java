package org.vfio4j.cli.inspect;

import java.util.List;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows processes, functions and what stands on them. */
@Command(
        name = "tree",
        description = "Shows serving processes, their bridges, functions, drivers and sockets as a tree.",
        mixinStandardHelpOptions = true)
public final class TreeCommand implements Runnable {

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<ServerState> servers = ServerDirectory.servers();
        output.print("Server", servers, () -> {
            if (servers.isEmpty()) {
                ServerQuery.explainNothing(output.err());
            }
            servers.forEach(server -> output.out().print(TreeText.of(server, TreeText.terminal())));
        });
    }
}
