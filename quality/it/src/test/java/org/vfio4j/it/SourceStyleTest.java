package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The parts of the style that neither the formatter nor the compiler's checks hold. */
class SourceStyleTest {

    private static final long MAX_LINES = 800;

    // Spelt so that this file does not find itself.
    private static final Pattern UNFINISHED = Pattern.compile("\\b(TO" + "DO|FIX" + "ME|XX" + "X)\\b");
    private static final Pattern OUTPUT = Pattern.compile("\\bSystem\\.(out|err)\\b|\\.printStackTrace\\(\\)");

    private final Path root = SourceTree.root();
    private final List<Path> sources = Stream.of(
                    "core", "drivers", "devices", "transports", "userspace", "apps", "quality")
            .flatMap(directory -> SourceTree.files(root.resolve(directory), ".java").stream())
            .toList();

    @Test
    void filesStayReadableInOneSitting() {
        assertThat(offenders(sources, text -> text.lines().count() > MAX_LINES))
                .as("files over %d lines: give each idea in them a file of its own", MAX_LINES)
                .isEmpty();
    }

    @Test
    void nothingIsLeftForLater() {
        assertThat(offenders(sources, text -> UNFINISHED.matcher(text).find()))
                .as(
                        "files with notes about work left: do it now, or file an issue and say in the code what holds today")
                .isEmpty();
    }

    @Test
    void librariesLogAndDoNotPrint() {
        List<Path> libraries = sources.stream()
                .filter(file ->
                        root.relativize(file).toString().matches("(core|drivers|devices|transports|userspace)/.*"))
                .filter(file -> file.toString().contains("/src/main/"))
                .toList();
        assertThat(offenders(libraries, text -> OUTPUT.matcher(text).find()))
                .as("library files that print: throw, return an errno, or use System.Logger")
                .isEmpty();
    }

    @Test
    void seesTheSources() {
        assertThat(sources).as("Java files found under %s", root).hasSizeGreaterThan(modulesWithSources());
    }

    private static int modulesWithSources() {
        return (int) MavenModule.all().stream()
                .filter(module -> module.descriptor().isPresent())
                .count();
    }

    private List<Path> offenders(List<Path> files, Predicate<String> offends) {
        return files.stream()
                .filter(file -> offends.test(SourceTree.read(file)))
                .map(root::relativize)
                .toList();
    }
}
