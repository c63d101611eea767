package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The graph that ARCHITECTURE.md draws, the module descriptors and the poms say the same. */
class ModuleGraphTest {

    private static final Pattern GRAPH = Pattern.compile("```modules\\n(.*?)```", Pattern.DOTALL);
    private static final Set<String> LIBRARIES = Set.of("core", "drivers", "devices", "transports");

    private final List<MavenModule> modules = MavenModule.all();

    @Test
    void descriptorsRequireExactlyTheArrowsOfArchitecture() {
        Map<String, Set<String>> drawn = drawnGraph();
        Map<String, String> artifacts = new HashMap<>();
        modules.forEach(module -> module.moduleName().ifPresent(name -> artifacts.put(name, module.artifactId())));
        for (MavenModule module : modules) {
            if (module.descriptor().isPresent()) {
                Set<String> required = module.requires().stream()
                        .filter(name -> artifacts.containsKey(name) || name.startsWith("org.vfio4j."))
                        .map(name -> artifacts.getOrDefault(name, name))
                        .collect(Collectors.toCollection(TreeSet::new));
                assertThat(required)
                        .as(
                                "what module-info.java of %s requires, against its line in ARCHITECTURE.md",
                                module.artifactId())
                        .isEqualTo(drawn.get(module.artifactId()));
            }
        }
    }

    @Test
    void pomsDependOnExactlyTheArrowsOfArchitecture() {
        Map<String, Set<String>> drawn = drawnGraph();
        assertThat(drawn.keySet())
                .as("modules in the graph of ARCHITECTURE.md, against those of the root pom")
                .containsExactlyInAnyOrderElementsOf(
                        modules.stream().map(MavenModule::artifactId).toList());
        for (MavenModule module : modules) {
            Set<String> declared = module.dependencies().stream()
                    .filter(name -> name.startsWith("org.vfio4j:"))
                    .map(name -> name.substring("org.vfio4j:".length()))
                    .collect(Collectors.toCollection(TreeSet::new));
            assertThat(declared)
                    .as("compile-scope dependencies of %s, against its line in ARCHITECTURE.md", module.artifactId())
                    .isEqualTo(drawn.get(module.artifactId()));
        }
    }

    @Test
    void librariesDependOnNothingButTheJdkAndEachOther() {
        for (MavenModule module : modules) {
            if (LIBRARIES.contains(module.directory().getParent().getFileName().toString())) {
                assertThat(module.dependencies())
                        .as(
                                "dependencies of %s: a library under %s has none beyond the JDK",
                                module.artifactId(), LIBRARIES)
                        .allMatch(name -> name.startsWith("org.vfio4j:"));
            }
        }
    }

    @Test
    void exportsOnlyItsOneFlatPackage() {
        Pattern exports = Pattern.compile("\\bexports\\s+([\\w.]+)");
        for (MavenModule module : modules) {
            if (module.moduleName()
                    .filter(name -> name.startsWith("org.vfio4j."))
                    .isEmpty()) {
                continue;
            }
            module.descriptor()
                    .ifPresent(
                            text -> assertThat(exports.matcher(text).results().map(found -> found.group(1)))
                                    .as("packages that %s exports", module.artifactId())
                                    .containsExactly(module.moduleName().orElseThrow()));
        }
    }

    /** A jar is used on the module path by ./vfio and on the class path by tests: each finds providers in its own way. */
    @Test
    void providersAreNamedForModulePathAndClassPathAlike() {
        for (MavenModule module : modules) {
            Map<String, Set<String>> provided = new TreeMap<>();
            module.provides().forEach(provision -> provided.put(provision.service(), provision.providers()));
            assertThat(servicesOf(module.directory().resolve("src/main/resources/META-INF/services")))
                    .as("META-INF/services of %s, against `provides` in its module-info.java", module.artifactId())
                    .isEqualTo(provided);
        }
    }

    private static Map<String, Set<String>> servicesOf(Path directory) {
        Map<String, Set<String>> services = new TreeMap<>();
        for (Path file : SourceTree.files(directory, "")) {
            if (Files.isRegularFile(file)) {
                services.put(
                        file.getFileName().toString(),
                        SourceTree.read(file)
                                .lines()
                                .map(line -> line.replaceFirst("#.*", "").strip())
                                .filter(line -> !line.isEmpty())
                                .collect(Collectors.toCollection(TreeSet::new)));
            }
        }
        return services;
    }

    private static Map<String, Set<String>> drawnGraph() {
        Matcher block = GRAPH.matcher(SourceTree.read(SourceTree.root().resolve("ARCHITECTURE.md")));
        assertThat(block.find()).as("a block ```modules in ARCHITECTURE.md").isTrue();
        Map<String, Set<String>> graph = new TreeMap<>();
        for (String line :
                block.group(1).lines().filter(text -> !text.isBlank()).toList()) {
            String[] sides = line.strip().split("\\s*->\\s*", 2);
            graph.put(sides[0], sides.length == 1 ? Set.of() : new TreeSet<>(List.of(sides[1].split("\\s+"))));
        }
        return graph;
    }
}
