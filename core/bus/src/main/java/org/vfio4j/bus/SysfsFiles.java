package org.vfio4j.bus;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** How files of a {@link SysfsView} are written, linked and deleted. */
final class SysfsFiles {

    private SysfsFiles() {}

    /** Writes an attribute. Others read while this writes: a file is replaced as a whole. */
    static void write(Path directory, String name, String text) throws IOException {
        Path fresh = directory.resolve("." + name);
        Files.writeString(fresh, text + "\n");
        try {
            Files.move(fresh, directory.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(fresh, directory.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Makes {@code link}, whatever it was before, lead to {@code target} by a relative path. */
    static void link(Path link, Path target) throws IOException {
        Path from = link.toAbsolutePath().getParent();
        Files.deleteIfExists(link);
        Files.createSymbolicLink(link, from == null ? target : from.relativize(target.toAbsolutePath()));
    }

    static void deleteTree(Path top) throws IOException {
        if (!Files.exists(top, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(top)) {
            paths = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : paths) {
            Files.deleteIfExists(path);
        }
    }

    /** A piece of work with files. */
    interface Step {
        void run() throws IOException;
    }
}
