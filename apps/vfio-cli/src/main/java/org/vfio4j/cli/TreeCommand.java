package org.vfio4j.cli;

import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows processes, functions and what stands on them. */
@Command(
        name = "tree",
        description = "Shows serving processes, their functions, drivers and sockets as a tree.",
        mixinStandardHelpOptions = true)
final class TreeCommand implements Runnable {

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<ServerState> servers = ServerDirectory.servers();
        output.print("Server", servers, () -> {
            if (servers.isEmpty()) {
                ServerQuery.explainNothing(output.err());
            }
            servers.forEach(server -> output.out().print(render("pid " + server.pid(), server.functions())));
        });
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
            if (f.driver().isEmpty()) {
                text.append(below).append("└─ (no driver)\n");
                continue;
            }
            text.append(below).append("└─ ").append(f.driver()).append('\n');
            text.append(below).append("   └─ ").append(f.vfioDevice()).append('\n');
            text.append(below).append("      └─ ");
            text.append(f.socket().isEmpty() ? "(inherited socket)" : f.socket())
                    .append('\n');
        }
        return text.toString();
    }
}
