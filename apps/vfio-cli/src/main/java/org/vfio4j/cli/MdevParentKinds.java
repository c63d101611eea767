package org.vfio4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The kinds of parents of mdevs that there are. */
final class MdevParentKinds {

    private static final List<MdevParentKind> KINDS = List.of(new MttyKind());

    private MdevParentKinds() {}

    /** Checks the words of one parent, its kind and then its settings; empty for what is no parent. */
    static Optional<MdevParentKind.Plan> plan(List<String> words) {
        return KINDS.stream()
                .filter(kind -> kind.name().equals(words.getFirst()))
                .findFirst()
                .map(kind -> kind.plan(Setting.parse(words.subList(1, words.size()))));
    }

    /** What there is, for {@code --help}. */
    static List<String> help() {
        List<String> lines = new ArrayList<>();
        for (MdevParentKind kind : KINDS) {
            lines.add("  " + kind.name() + " with");
            kind.help().forEach(line -> lines.add("    " + line));
        }
        return lines;
    }
}
