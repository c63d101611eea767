package org.vfio4j.cli.device;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The kinds of parents of mdevs that there are. */
public final class MdevParentKinds {

    private static final List<MdevParentKind> KINDS = List.of(new MttyKind());

    private MdevParentKinds() {}

    /** Whether a word names a parent. */
    public static boolean isOne(String name) {
        return KINDS.stream().anyMatch(kind -> kind.name().equals(name));
    }

    /** Checks the words of one parent, its kind and then its settings; empty for what is no parent. */
    public static Optional<MdevParentKind.Plan> plan(List<String> words) {
        String name = words.getFirst();
        return isOne(name) ? Optional.of(plan(name, Setting.parse(words.subList(1, words.size())))) : Optional.empty();
    }

    /** Checks the settings of one parent, of which {@link #isOne} says that it is. */
    public static MdevParentKind.Plan plan(String name, List<Setting> settings) {
        return KINDS.stream()
                .filter(kind -> kind.name().equals(name))
                .findFirst()
                .orElseThrow()
                .plan(settings);
    }

    /** What there is, for {@code --help}. */
    public static List<String> help() {
        List<String> lines = new ArrayList<>();
        for (MdevParentKind kind : KINDS) {
            lines.add("  " + kind.name() + " with");
            kind.help().forEach(line -> lines.add("    " + line));
        }
        return lines;
    }
}
