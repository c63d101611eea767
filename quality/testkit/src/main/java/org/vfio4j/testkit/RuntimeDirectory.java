package org.vfio4j.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.LauncherSessionListener;

/**
 * Makes the directory that {@code XDG_RUNTIME_DIR} names for as long as tests run, where it is not there: the root pom gives
 * each process of tests its own, so that its servers and those of the user or of other tests do not see each other. One that is
 * there is the user's, and is left alone.
 */
@SuppressWarnings("exports") // nobody names it: JUnit finds it as a service
public final class RuntimeDirectory implements LauncherSessionListener {

    private Optional<Path> made = Optional.empty();

    @Override
    public void launcherSessionOpened(LauncherSession session) {
        made = Optional.ofNullable(System.getenv("XDG_RUNTIME_DIR"))
                .filter(name -> !name.isEmpty())
                .map(Path::of)
                .filter(Files::notExists);
        made.ifPresent(RuntimeDirectory::make);
    }

    @Override
    public void launcherSessionClosed(LauncherSession session) {
        made.ifPresent(RuntimeDirectory::remove);
        made = Optional.empty();
    }

    private static void make(Path directory) {
        try {
            Files.createDirectory(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void remove(Path directory) {
        try (Stream<Path> tree = Files.walk(directory)) {
            for (Path file : (Iterable<Path>) tree.sorted(Comparator.reverseOrder())::iterator) {
                Files.deleteIfExists(file);
            }
        } catch (IOException | UncheckedIOException e) {
            System.getLogger(RuntimeDirectory.class.getName())
                    .log(System.Logger.Level.WARNING, "a server is still at work in {0}: {1}", directory, e);
        }
    }
}
