package org.vfio4j.cli.state;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EDQUOT;
import static org.vfio4j.sys.Errno.EFBIG;
import static org.vfio4j.sys.Errno.ENOSPC;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/**
 * The directory in which the serving processes of a user make themselves known: one directory for each, named by its pid, with
 * a lock that it holds while it lives, {@code server.json}, {@code mdevs} with a file for each mediated device, {@code control}, the
 * socket that takes requests, {@code pci}, its view of the bus, and {@code supervised} when it has a keeper.
 */
public final class ServerDirectory implements AutoCloseable {

    private static final String STATE = "server.json";
    private static final String MDEVS = "mdevs";
    private static final String GUEST = "guest.json";
    private static final String LOCK = "lock";
    private static final String CONTROL = "control";
    private static final String SUPERVISED = "supervised";
    private static final String OWNER = "unix:uid";
    private static final long AWAIT_NS = 10_000_000_000L;
    private static final long LOOK_NS = 10_000_000;

    private final Path directory;
    private final Fd lock;

    /** Made when it is wanted: a serving process only writes. What an older process does not tell is empty. */
    private static final class Json {
        static final ObjectMapper MAPPER = JsonMapper.builder()
                .changeDefaultNullHandling(nulls -> JsonSetter.Value.forValueNulls(Nulls.AS_EMPTY))
                .build();
    }

    private ServerDirectory(Path directory, Fd lock) {
        this.directory = directory;
        this.lock = lock;
    }

    /** Where processes of this user meet. */
    public static Path parent() {
        String runtime = System.getenv("XDG_RUNTIME_DIR");
        if (runtime != null && !runtime.isEmpty() && Files.isDirectory(Path.of(runtime))) {
            return Path.of(runtime, "vfio4j");
        }
        return Path.of(System.getProperty("java.io.tmpdir"), "vfio4j-" + System.getProperty("user.name"));
    }

    /**
     * This process's own.
     *
     * @throws ErrnoException EACCES when the parent belongs to another user; ENOSPC, EROFS and what else keeps it from being made
     */
    public static ServerDirectory create() {
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
            Files.createDirectory(mdevs(fresh));
            Fd lock = FileIo.open(fresh.resolve(LOCK), FileIo.O_RDWR);
            ErrnoException.check(FileIo.flock(lock, FileIo.LOCK_EX | FileIo.LOCK_NB), "lock " + fresh);
            Files.move(fresh, own);
            return new ServerDirectory(own, lock);
        } catch (IOException e) {
            throw ErrnoException.of(e, "make runtime directory " + own);
        }
    }

    /** What to try when it cannot be made or written. */
    public static String hint(ErrnoException failure) {
        return switch (failure.errno()) {
            case ENOSPC, EDQUOT, EFBIG ->
                "df -h " + parent() + ", to make room; or another place: XDG_RUNTIME_DIR=DIRECTORY";
            default -> "ls -ld " + parent() + "; or another place: XDG_RUNTIME_DIR=DIRECTORY";
        };
    }

    /** Where the view of the bus goes. */
    public Path sysfs() {
        return directory.resolve("pci");
    }

    /** Where this process takes requests. */
    public Path control() {
        return directory.resolve(CONTROL);
    }

    /** Tells others that a keeper starts another one when this process ends. */
    public void setSupervised() {
        try {
            Files.createFile(directory.resolve(SUPERVISED));
        } catch (IOException e) {
            throw ErrnoException.of(e, "make " + directory.resolve(SUPERVISED));
        }
    }

    /** Whether a process has said so. */
    public static boolean isSupervised(long pid) {
        return Files.exists(parent().resolve(Long.toString(pid)).resolve(SUPERVISED));
    }

    /** Where another process takes requests. */
    public static Path control(long pid) {
        return parent().resolve(Long.toString(pid)).resolve(CONTROL);
    }

    /**
     * Tells others what this process serves, instead of what it told them before.
     *
     * @param state without mdevs: of those there may be a thousand, and each has its own file
     * @throws ErrnoException ENOSPC and what else keeps it from being written
     */
    public void publish(ServerState state) {
        write(directory, STATE, state::write);
    }

    /** Tells others of an mdev, instead of what it told them before; otherwise as {@link #publish(ServerState)}. */
    public void publish(ServerState.Mdev mdev) {
        write(mdevs(directory), mdev.uuid(), mdev::write);
    }

    /** Tells others no more of an mdev. */
    public void withdrawMdev(String uuid) {
        try {
            Files.deleteIfExists(mdevs(directory).resolve(uuid));
        } catch (IOException e) {
            throw ErrnoException.of(e, "remove " + mdevs(directory).resolve(uuid));
        }
    }

    private static Path mdevs(Path own) {
        return own.resolve(MDEVS);
    }

    private static void write(Path directory, String name, Consumer<JsonWriter> content) {
        try {
            Path fresh = directory.resolve("." + name);
            JsonWriter json = new JsonWriter();
            content.accept(json);
            Files.writeString(fresh, json.toString());
            Files.move(fresh, directory.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw ErrnoException.of(e, "write " + directory.resolve(name));
        }
    }

    /** Tells others that this process runs a guest, and on what. */
    public void publish(GuestStatus guest) {
        write(directory, GUEST, guest::write);
    }

    /** The processes that run guests now, by pid. */
    public static List<GuestStatus> guests() {
        return read(parent(), GUEST, GuestStatus::parse).stream()
                .sorted(Comparator.comparingLong(GuestStatus::pid))
                .toList();
    }

    /** What a process tells of itself. */
    public static ServerState parse(String json) {
        return Json.MAPPER.readValue(json, ServerState.class);
    }

    /** One function of that. */
    public static ServerState.Function parseFunction(JsonNode json) {
        return Json.MAPPER.treeToValue(json, ServerState.Function.class);
    }

    /** An auxiliary device of that. */
    public static ServerState.Auxiliary parseAuxiliary(JsonNode json) {
        return Json.MAPPER.treeToValue(json, ServerState.Auxiliary.class);
    }

    @Override
    public void close() {
        clear(directory);
        lock.close();
    }

    /** The processes that serve now, by pid. What dead ones left is cleared away. */
    public static List<ServerState> servers() {
        return servers(parent());
    }

    /** The one with this pid, which has just begun; empty when it does not tell of itself soon. */
    public static Optional<ServerState> awaitServer(long pid) {
        long deadline = System.nanoTime() + AWAIT_NS;
        while (true) {
            Optional<ServerState> found =
                    servers().stream().filter(server -> server.pid() == pid).findFirst();
            if (found.isPresent() || System.nanoTime() - deadline > 0) {
                return found;
            }
            LockSupport.parkNanos(LOOK_NS);
        }
    }

    /** @throws ErrnoException EACCES when {@code parent} belongs to another user: nothing there is believed or deleted */
    public static List<ServerState> servers(Path parent) {
        return read(parent, STATE, ServerDirectory::parse).stream()
                .map(state -> state.with(readMdevs(parent.resolve(Long.toString(state.pid())))))
                .sorted(Comparator.comparingLong(ServerState::pid))
                .toList();
    }

    private static List<ServerState.Mdev> readMdevs(Path own) {
        try (Stream<Path> files = Files.list(mdevs(own))) {
            return files.sorted().flatMap(file -> readMdev(file).stream()).toList();
        } catch (IOException e) {
            // An older process has none.
            return List.of();
        }
    }

    private static Optional<ServerState.Mdev> readMdev(Path file) {
        try {
            return Optional.of(Json.MAPPER.readValue(Files.readString(file), ServerState.Mdev.class));
        } catch (IOException | JacksonException e) {
            // It comes or goes just now.
            return Optional.empty();
        }
    }

    /** What all processes tell in a file of this name; not every one has it. */
    private static <T> List<T> read(Path parent, String name, Function<String, T> parser) {
        List<T> found = new ArrayList<>();
        if (!Files.isDirectory(parent, LinkOption.NOFOLLOW_LINKS)) {
            return found;
        }
        try {
            checkOwner(parent);
            try (Stream<Path> directories = Files.list(parent)) {
                for (Path candidate : directories.toList()) {
                    if (!parent.relativize(candidate).toString().startsWith(".")) {
                        readOne(candidate, name, parser).ifPresent(found::add);
                    }
                }
            }
        } catch (IOException e) {
            throw ErrnoException.of(e, "list " + parent);
        }
        return found;
    }

    // Another user could have made it first, where it is in /tmp.
    private static void checkOwner(Path parent) throws IOException {
        // Not by name: a container's user may have none.
        Object owner = Files.getAttribute(parent, OWNER, LinkOption.NOFOLLOW_LINKS);
        if (!owner.equals(Files.getAttribute(Path.of("/proc/self"), OWNER))) {
            throw new ErrnoException(EACCES, "runtime directory " + parent + ", which belongs to another user");
        }
    }

    private static <T> Optional<T> readOne(Path directory, String name, Function<String, T> parser) {
        if (isDead(directory)) {
            clear(directory);
            return Optional.empty();
        }
        try {
            return Optional.of(parser.apply(Files.readString(directory.resolve(name))));
        } catch (IOException | JacksonException e) {
            // It begins or ends just now, or has none.
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
