package org.vfio4j.cli;

import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Shows processes, functions and what stands on them. */
@Command(
        name = "tree",
        description = "Shows serving processes, their functions, drivers and sockets as a tree.",
        mixinStandardHelpOptions = true)
final class TreeCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Option(
            names = {"-o", "--output"},
            description = "table or json (default table).")
    private Output.Format output = Output.Format.TABLE;

    @Override
    public void run() {
        List<ServerState> servers = ServerDirectory.servers();
        PrintWriter out = spec.commandLine().getOut();
        if (output == Output.Format.JSON) {
            out.println(Output.json("Server", servers));
        } else if (servers.isEmpty()) {
            ServerQuery.explainNothing(spec.commandLine().getErr());
        } else {
            servers.forEach(server -> out.print(render("pid " + server.pid(), server.functions())));
        }
        out.flush();
    }

    /** The tree below one root. */
    static String render(String root, List<ServerState.Function> functions) {
        StringBuilder text = new StringBuilder(root).append('\n');
        for (int i = 0; i < functions.size(); i++) {
            boolean last = i == functions.size() - 1;
            ServerState.Function f = functions.get(i);
            String below = last ? "   " : "│  ";
            text.append(last ? "└─ " : "├─ ")
                    .append(f.address())
                    .append("  [")
                    .append(f.id())
                    .append("] ");
            text.append(f.kind()).append(", ").append(f.description()).append('\n');
            text.append(below).append("└─ ").append(f.driver()).append('\n');
            text.append(below).append("   └─ ").append(f.vfioDevice()).append('\n');
            text.append(below).append("      └─ ");
            text.append(f.socket().isEmpty() ? "(inherited socket)" : f.socket())
                    .append('\n');
        }
        return text.toString();
    }
}
