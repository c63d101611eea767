package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EIO;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/**
 * The directory in which the serving processes of a user make themselves known: one directory for each, named by its pid, with
 * a lock that it holds while it lives, {@code server.json}, and {@code pci}, its view of the bus.
 */
final class ServerDirectory implements AutoCloseable {

    private static final String STATE = "server.json";
    private static final String LOCK = "lock";

    private final Path directory;
    private final Fd lock;

    /** Made when it is wanted: that takes time, which a process that starts does not have. */
    private static final class Json {
        static final ObjectMapper MAPPER = JsonMapper.builder().build();
    }

    private ServerDirectory(Path directory, Fd lock) {
        this.directory = directory;
        this.lock = lock;
    }

    /** Where processes of this user meet. */
    static Path parent() {
        String runtime = System.getenv("XDG_RUNTIME_DIR");
        if (runtime != null && !runtime.isEmpty() && Files.isDirectory(Path.of(runtime))) {
            return Path.of(runtime, "vfio4j");
        }
        return Path.of(System.getProperty("java.io.tmpdir"), "vfio4j-" + System.getProperty("user.name"));
    }

    /** This process's own. */
    static ServerDirectory create() {
        Path parent = parent();
        Path own = parent.resolve(Long.toString(ProcessHandle.current().pid()));
        try {
            var onlyOwner = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
            if (!Files.exists(parent)) {
                Files.createDirectories(parent, onlyOwner);
            }
            checkOwner(parent);
            // Others take an unlocked directory for a dead process's: it appears when it is locked.
            Path fresh = parent.resolve("." + own.getFileName());
            deleteTree(fresh);
            deleteTree(own);
            Files.createDirectory(fresh, onlyOwner);
            Files.createFile(fresh.resolve(LOCK));
            Fd lock = FileIo.open(fresh.resolve(LOCK), FileIo.O_RDWR);
            ErrnoException.check(FileIo.flock(lock, FileIo.LOCK_EX | FileIo.LOCK_NB), "lock " + fresh);
            Files.move(fresh, own);
            return new ServerDirectory(own, lock);
        } catch (IOException e) {
            throw new ErrnoException(EIO, "runtime directory " + own + " (" + e + ")");
        }
    }

    /** Where the view of the bus goes. */
    Path sysfs() {
        return directory.resolve("pci");
    }

    /** Tells others what this process serves. */
    void publish(ServerState state) {
        try {
            Path fresh = directory.resolve("." + STATE);
            Files.writeString(
                    fresh, Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(state));
            Files.move(fresh, directory.resolve(STATE));
        } catch (IOException | JacksonException e) {
            throw new ErrnoException(EIO, "write " + directory.resolve(STATE) + " (" + e.getMessage() + ")");
        }
    }

    @Override
    public void close() {
        clear(directory);
        lock.close();
    }

    /** The processes that serve now, by pid. What dead ones left is cleared away. */
    static List<ServerState> servers() {
        return servers(parent());
    }

    /** @throws ErrnoException EACCES when {@code parent} belongs to another user: nothing there is believed or deleted */
    static List<ServerState> servers(Path parent) {
        List<ServerState> found = new ArrayList<>();
        if (!Files.isDirectory(parent, LinkOption.NOFOLLOW_LINKS)) {
            return found;
        }
        try {
            checkOwner(parent);
            try (Stream<Path> directories = Files.list(parent)) {
                for (Path candidate : directories.toList()) {
                    if (!parent.relativize(candidate).toString().startsWith(".")) {
                        read(candidate).ifPresent(found::add);
                    }
                }
            }
        } catch (IOException e) {
            throw new ErrnoException(EIO, "list " + parent + " (" + e.getMessage() + ")");
        }
        found.sort(Comparator.comparingLong(ServerState::pid));
        return found;
    }

    // Another user could have made it first, where it is in /tmp.
    private static void checkOwner(Path parent) throws IOException {
        if (!Files.getOwner(parent, LinkOption.NOFOLLOW_LINKS).getName().equals(System.getProperty("user.name"))) {
            throw new ErrnoException(EACCES, "runtime directory " + parent + ", which belongs to another user");
        }
    }

    private static Optional<ServerState> read(Path directory) {
        if (isDead(directory)) {
            clear(directory);
            return Optional.empty();
        }
        try {
            return Optional.of(Json.MAPPER.readValue(Files.readString(directory.resolve(STATE)), ServerState.class));
        } catch (IOException | JacksonException e) {
            // It begins or ends just now.
            return Optional.empty();
        }
    }

    private static void clear(Path directory) {
        try {
            deleteTree(directory);
        } catch (IOException | UncheckedIOException e) {
            // Another process clears it at the same time, or the next one will.
            System.getLogger(ServerDirectory.class.getName())
                    .log(System.Logger.Level.DEBUG, "{0} stays: {1}", directory, e.toString());
        }
    }

    private static boolean isDead(Path directory) {
        try (Fd lock = FileIo.open(directory.resolve(LOCK), FileIo.O_RDWR)) {
            return FileIo.flock(lock, FileIo.LOCK_EX | FileIo.LOCK_NB) == 0;
        } catch (ErrnoException e) {
            return false;
        }
    }

    private static void deleteTree(Path top) throws IOException {
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
}
