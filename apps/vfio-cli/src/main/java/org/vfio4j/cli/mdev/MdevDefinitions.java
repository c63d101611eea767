package org.vfio4j.cli.mdev;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.vfio4j.mdevcore.MdevUuid;
import org.vfio4j.sys.ErrnoException;

/**
 * The definitions of a user, in a directory that looks as mdevctl's /etc/mdevctl.d: a directory for each parent, a file for each
 * uuid. One uuid may be defined under several parents. Used by one thread; other processes write too, and see whole files only.
 */
public final class MdevDefinitions {

    private static final Pattern PARENT = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.:-]*");

    private final Path directory;

    public MdevDefinitions(Path directory) {
        this.directory = directory;
    }

    /** Where they are when nobody says otherwise. */
    static Path defaultDirectory() {
        String config = System.getenv("XDG_CONFIG_HOME");
        Path base = config == null || config.isEmpty()
                ? Path.of(System.getProperty("user.home"), ".config")
                : Path.of(config);
        return base.resolve("vfio4j").resolve("mdev.d");
    }

    /** All that make sense, by parent and uuid; of the others a line in the log says why they do not. */
    public List<MdevDefinition> all() {
        List<MdevDefinition> found = new ArrayList<>();
        for (Path parent : list(directory)) {
            for (Path file : list(parent)) {
                try {
                    found.add(read(parent, file));
                } catch (ErrnoException e) {
                    System.getLogger(MdevDefinitions.class.getName()).log(Level.WARNING, "{0}", e.getMessage());
                }
            }
        }
        return found;
    }

    /** Those of a uuid, under whatever parent. */
    public List<MdevDefinition> of(UUID uuid) {
        return all().stream()
                .filter(definition -> definition.uuid().equals(uuid))
                .toList();
    }

    /** Keeps a definition, instead of the one that there may be. */
    public void write(MdevDefinition definition) {
        Path file = file(definition);
        try {
            Files.createDirectories(directory.resolve(definition.parent()));
            Path fresh = file.resolveSibling("." + file.getFileName());
            Files.writeString(fresh, MdevFile.write(definition));
            Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw ErrnoException.of(e, "write " + file);
        }
    }

    /** @throws ErrnoException ENOENT when there is none */
    public void delete(MdevDefinition definition) {
        Path file = file(definition);
        try {
            Files.delete(file);
        } catch (NoSuchFileException e) {
            throw new ErrnoException(ENOENT, "delete " + file);
        } catch (IOException e) {
            throw ErrnoException.of(e, "delete " + file);
        }
    }

    private Path file(MdevDefinition definition) {
        if (!PARENT.matcher(definition.parent()).matches()) {
            throw new ErrnoException(EINVAL, "mdev parent '" + definition.parent() + "' is no name of a device");
        }
        return directory.resolve(definition.parent()).resolve(definition.uuid().toString());
    }

    private static MdevDefinition read(Path parent, Path file) {
        try {
            UUID uuid = MdevUuid.parse(file.getFileName().toString());
            return MdevFile.parse(
                    file.toString(),
                    Files.readString(file),
                    parent.getFileName().toString(),
                    uuid);
        } catch (IOException e) {
            throw ErrnoException.of(e, "read " + file);
        }
    }

    // What begins with a dot is being written.
    private static List<Path> list(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> !file.getFileName().toString().startsWith("."))
                    .sorted()
                    .toList();
        } catch (NoSuchFileException | NotDirectoryException e) {
            return List.of();
        } catch (IOException e) {
            throw ErrnoException.of(e, "list " + directory);
        }
    }
}
