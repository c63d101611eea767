package org.vfio4j.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The repository that is being built, for tests that hold its files against each other. */
final class SourceTree {

    private SourceTree() {}

    /** The directory that has ARCHITECTURE.md, at or above the one the test runs in. */
    static Path root() {
        Path directory = Path.of("").toAbsolutePath();
        while (!Files.exists(directory.resolve("ARCHITECTURE.md"))) {
            directory = directory.getParent();
            if (directory == null) {
                throw new IllegalStateException("no ARCHITECTURE.md at or above the working directory");
            }
        }
        return directory;
    }

    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The files in {@code directory} and below it with a name that ends so, built ones left out; none if it does not exist. */
    static List<Path> files(Path directory, String suffix) {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> tree = Files.walk(directory)) {
            return tree.filter(file -> file.toString().endsWith(suffix))
                    .filter(Files::isRegularFile)
                    .filter(file -> !directory.relativize(file).toString().matches("(.*/)?(target|\\..*)/.*"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
