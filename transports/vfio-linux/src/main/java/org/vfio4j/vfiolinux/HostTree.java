package org.vfio4j.vfiolinux;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** Files of /sys and /proc, read and written. What is not there reads as nothing: functions come and go. Stateless. */
final class HostTree {

    private HostTree() {}

    /** A file's text without the line end; empty when it is not there or cannot be read. */
    static String read(Path file) {
        try {
            return Files.readString(file, UTF_8).strip();
        } catch (IOException e) {
            return "";
        }
    }

    /**
     * A file's lines, one character to a byte: names in it may be in any encoding. None when it is not there.
     *
     * @throws ErrnoException when it cannot be read: what it says may matter
     */
    static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file, ISO_8859_1);
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException e) {
            throw ErrnoException.of(e, "read " + file);
        }
    }

    /** A number as /sys writes it, {@code 0x8086}; 0 when it is not there. */
    static int hexadecimal(Path file) {
        String text = read(file);
        try {
            return text.startsWith("0x") ? Integer.parseUnsignedInt(text.substring(2), 16) : 0;
        } catch (NumberFormatException e) {
            return 0;
        }
    }

    /** What a link leads to: the last name of it; empty when there is no link. */
    static String linkName(Path link) {
        try {
            return Files.isSymbolicLink(link)
                    ? Files.readSymbolicLink(link).getFileName().toString()
                    : "";
        } catch (IOException e) {
            return "";
        }
    }

    /** A path without links; the path itself when it cannot be followed. */
    static Path real(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            return path;
        }
    }

    /**
     * The names in a directory, in order; none when it is not there.
     *
     * @throws ErrnoException when it cannot be read
     */
    static List<String> names(Path directory) {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
        } catch (NoSuchFileException | NotDirectoryException e) {
            return List.of();
        } catch (IOException e) {
            throw ErrnoException.of(e, "read directory " + directory);
        }
        names.sort(null);
        return names;
    }

    /**
     * Writes an attribute, with one call as the kernel wants it.
     *
     * @throws ErrnoException what the kernel says to it
     */
    static void write(Path file, String text) {
        try (Fd fd = FileIo.open(file, FileIo.O_WRONLY);
                Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(text);
            long length = bytes.byteSize() - 1;
            ErrnoException.check(
                    FileIo.write(fd.value(), bytes.address(), length), "write '" + text.strip() + "' to " + file);
        }
    }
}
