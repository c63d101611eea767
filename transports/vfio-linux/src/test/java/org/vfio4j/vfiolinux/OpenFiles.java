package org.vfio4j.vfiolinux;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What this process has open. */
final class OpenFiles {

    private OpenFiles() {}

    /** Files in a directory. */
    static List<String> below(Path directory) {
        return targets().stream()
                .filter(target -> target.startsWith(directory + "/"))
                .toList();
    }

    /** Eventfds. */
    static long eventFds() {
        return targets().stream().filter("anon_inode:[eventfd]"::equals).count();
    }

    private static List<String> targets() {
        List<String> targets = new ArrayList<>();
        try (DirectoryStream<Path> links = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path link : links) {
                targets.add(target(link));
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return targets;
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            // That of the directory itself is closed by now.
            return "";
        }
    }
}
