package org.vfio4j.cli.inspect;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.vfiomdev.VfioMdevDriver;

/**
 * A machine as a tree of text: bridges, what sits behind each, the parts of each function, and who has and serves it. A part that is
 * about another function and that function name each other.
 */
public final class TreeText {

    private record Glyphs(String branch, String last, String down, String none, String about) {}

    private static final Glyphs UNICODE = new Glyphs("├─ ", "└─ ", "│  ", "   ", "→ ");
    private static final Glyphs ASCII = new Glyphs("|- ", "`- ", "|  ", "   ", "-> ");

    private final Glyphs glyphs;
    private final List<ServerState.Function> functions;
    private final List<ServerState.Bridge> bridges;
    private final List<ServerState.Auxiliary> auxiliary;
    private final List<ServerState.Mdev> mdevs;
    private final StringBuilder text = new StringBuilder();

    /** A line and what stands below it. */
    private record Node(String line, List<Node> below) {}

    private TreeText(
            Glyphs glyphs,
            List<ServerState.Function> functions,
            List<ServerState.Bridge> bridges,
            List<ServerState.Auxiliary> auxiliary,
            List<ServerState.Mdev> mdevs) {
        this.glyphs = glyphs;
        this.functions = functions;
        this.bridges = bridges;
        this.auxiliary = auxiliary;
        this.mdevs = mdevs;
    }

    /** A process and all that it has, with lines that {@code charset} has letters for. */
    public static String of(ServerState server, Charset charset) {
        Glyphs glyphs = charset.equals(StandardCharsets.UTF_8) ? UNICODE : ASCII;
        TreeText tree = new TreeText(glyphs, server.functions(), server.bridges(), server.auxiliary(), server.mdevs());
        return tree.render("pid " + server.pid());
    }

    /** What the user's locale writes with. */
    public static Charset terminal() {
        String name = System.getProperty("native.encoding", "");
        return Charset.isSupported(name) ? Charset.forName(name) : StandardCharsets.US_ASCII;
    }

    private String render(String root) {
        text.append(root).append('\n');
        List<Node> nodes = new ArrayList<>(behind(""));
        nodes.addAll(parents());
        print(nodes, "");
        return text.toString();
    }

    private void print(List<Node> nodes, String indent) {
        for (int i = 0; i < nodes.size(); i++) {
            boolean last = i == nodes.size() - 1;
            Node node = nodes.get(i);
            text.append(indent).append(last ? glyphs.last : glyphs.branch);
            text.append(node.line).append('\n');
            print(node.below, indent + (last ? glyphs.none : glyphs.down));
        }
    }

    /** What sits behind a bridge, by address; of none, what sits on root buses. */
    private List<Node> behind(String bridge) {
        List<Node> nodes = new ArrayList<>();
        bridges.stream()
                .filter(found -> found.parent().equals(bridge))
                .map(this::node)
                .forEach(nodes::add);
        functions.stream()
                .filter(found -> found.parent().equals(bridge))
                .map(this::node)
                .forEach(nodes::add);
        // Addresses have leading zeroes: they sort as text.
        nodes.sort(Comparator.comparing(Node::line));
        return nodes;
    }

    /** Parents of mdevs, with what is made of each. */
    private List<Node> parents() {
        return mdevs.stream()
                .map(ServerState.Mdev::parent)
                .distinct()
                .map(parent -> new Node(
                        parent + ", parent of mdevs",
                        mdevs.stream()
                                .filter(mdev -> mdev.parent().equals(parent))
                                .map(TreeText::node)
                                .toList()))
                .toList();
    }

    private static Node node(ServerState.Mdev mdev) {
        Node where = new Node(mdev.socket(), List.of());
        Node device = new Node(mdev.vfioDevice(), List.of(where));
        return new Node(
                mdev.uuid() + "  " + mdev.type() + ", " + mdev.description(),
                List.of(new Node(VfioMdevDriver.NAME, List.of(device))));
    }

    private Node node(ServerState.Bridge bridge) {
        String buses = bridge.secondaryBus() == bridge.subordinateBus()
                ? String.format(Locale.ROOT, "bus %02x", bridge.secondaryBus())
                : String.format(Locale.ROOT, "buses %02x-%02x", bridge.secondaryBus(), bridge.subordinateBus());
        return new Node(
                bridge.address() + "  [" + bridge.id() + "] " + bridge.port() + ", " + buses, behind(bridge.address()));
    }

    private Node node(ServerState.Function function) {
        String line =
                function.address() + "  [" + function.id() + "] " + function.kind() + ", " + function.description();
        List<Node> below = new ArrayList<>();
        String through = function.auxiliary().isEmpty() ? "" : " of " + function.auxiliary();
        if (function.driver().isEmpty()) {
            below.add(new Node("(no driver)" + through, List.of()));
        } else if (function.vfioDevice().isEmpty()) {
            below.add(new Node(function.driver(), List.of()));
        } else {
            Node where = new Node(function.where(), List.of());
            below.add(new Node(function.driver() + through, List.of(new Node(function.vfioDevice(), List.of(where)))));
        }
        below.addAll(parts(function.address()));
        return new Node(line, below);
    }

    private List<Node> parts(String parent) {
        return auxiliary.stream()
                .filter(part -> part.parent().equals(parent))
                .map(part -> {
                    String driver = part.driver().isEmpty() ? "(no driver)" : part.driver();
                    String about = part.function().isEmpty() ? "" : " " + glyphs.about + part.function();
                    return new Node(part.name() + ", " + driver + about, parts(part.name()));
                })
                .toList();
    }
}
