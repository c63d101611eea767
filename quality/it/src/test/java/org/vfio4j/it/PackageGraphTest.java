package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The one module of several packages, vfio-cli: who uses whom there is as ARCHITECTURE.md draws it, and never in a circle. */
class PackageGraphTest {

    private static final String ROOT = "cli";
    private static final Pattern GRAPH = Pattern.compile("```packages\\n(.*?)```", Pattern.DOTALL);
    /** Behind a quote it is a name, and no use. */
    private static final Pattern USE = Pattern.compile("(?<!\")\\borg\\.vfio4j\\.cli\\.(?:(\\w+)\\.)?[A-Z]");

    private static final Pattern OPENS = Pattern.compile("opens org\\.vfio4j\\.(cli[\\w.]*) to([^;]*);");

    private final Path sources = SourceTree.root().resolve("apps/vfio-cli/src/main/java");
    private final Path packages = sources.resolve("org/vfio4j/cli");
    private final List<Path> files = SourceTree.files(packages, ".java");

    @Test
    void packagesUseExactlyTheArrowsOfArchitecture() {
        Map<String, Set<String>> used = new TreeMap<>();
        for (Path file : files) {
            String from = packageOf(file);
            Set<String> to = used.computeIfAbsent(from, name -> new TreeSet<>());
            USE.matcher(SourceTree.read(file))
                    .results()
                    .map(use -> Optional.ofNullable(use.group(1)).orElse(ROOT))
                    .filter(name -> !name.equals(from))
                    .forEach(to::add);
        }
        Map<String, Set<String>> drawn = drawnGraph();
        assertThat(used.keySet())
                .as("packages of vfio-cli, against those in ARCHITECTURE.md")
                .isEqualTo(new TreeSet<>(drawn.keySet()));
        used.forEach((name, uses) -> assertThat(uses)
                .as("what package %s of vfio-cli uses, against its line in ARCHITECTURE.md", name)
                .isEqualTo(drawn.get(name)));
    }

    @Test
    void arrowsPointAtEarlierLinesOnly() {
        Set<String> before = new HashSet<>();
        drawnGraph().forEach((name, uses) -> {
            assertThat(before)
                    .as("lines of ARCHITECTURE.md before that of %s", name)
                    .containsAll(uses);
            before.add(name);
        });
    }

    @Test
    void packagesSayWhatTheyAreFor() {
        assertThat(files.stream()
                        .filter(file -> file.endsWith("package-info.java"))
                        .filter(file -> SourceTree.read(file).matches("(?s)/\\*\\*.*@NullMarked.*"))
                        .map(this::packageOf))
                .as("packages of vfio-cli with a package-info.java that says so, and declares nulls")
                .containsExactlyInAnyOrderElementsOf(drawnGraph().keySet());
    }

    /** Tests are on the class path, where nothing is closed: this one knows what the module path lets the parser see. */
    @Test
    void packagesOfCommandsAreOpenToTheParser() {
        Set<String> open = new TreeSet<>();
        OPENS.matcher(SourceTree.read(sources.resolve("module-info.java")))
                .results()
                .filter(opened -> opened.group(2).contains("info.picocli"))
                .forEach(opened -> open.add(opened.group(1).replaceFirst("^cli\\.", "")));
        Set<String> annotated = new TreeSet<>();
        files.stream()
                .filter(file -> SourceTree.read(file).contains("import picocli."))
                .forEach(file -> annotated.add(packageOf(file)));
        assertThat(open).as("packages opened to info.picocli").isEqualTo(annotated);
    }

    private String packageOf(Path file) {
        String name = packages.relativize(file.getParent()).toString().replace('/', '.');
        return name.isEmpty() ? ROOT : name;
    }

    /** In the order in which it is drawn. */
    private static Map<String, Set<String>> drawnGraph() {
        Matcher block = GRAPH.matcher(SourceTree.read(SourceTree.root().resolve("ARCHITECTURE.md")));
        assertThat(block.find()).as("a block ```packages in ARCHITECTURE.md").isTrue();
        Map<String, Set<String>> graph = new LinkedHashMap<>();
        for (String line : block.group(1).lines().toList()) {
            String[] sides = line.strip().split("\\s*->\\s*", 2);
            graph.put(sides[0], sides.length == 1 ? Set.of() : new TreeSet<>(List.of(sides[1].split("\\s+"))));
        }
        return graph;
    }
}
