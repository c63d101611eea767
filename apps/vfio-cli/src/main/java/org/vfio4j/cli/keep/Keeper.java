package org.vfio4j.cli.keep;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.io.IOException;
import java.io.PrintWriter;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.ServerHandover;
import org.vfio4j.vfiouser.VfioUserRelay;

/**
 * The process of {@code vfio serve --supervised}: it has the sockets and the clients' connections, and what its server has given it to keep,
 * and starts another server when that one dies, or asks for another one in its place. It knows nothing of devices. {@link #run} belongs to one
 * thread, {@link #stop} to any.
 */
public final class Keeper implements AutoCloseable {

    /** Names the socket of the keeper that has started a server. */
    public static final String KEPT_BY = "--kept-by";

    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(60);
    private static final Duration END_LIMIT = Duration.ofSeconds(30);

    /** A connection ends before its server does, which may have to wait for its storage meanwhile. */
    private static final Duration LET_GO_AFTER = Duration.ofSeconds(60);

    private static final long LOOK_NS = 50_000_000;
    private static final System.Logger LOG = System.getLogger(Keeper.class.getName());

    private final List<String> program;
    private final RestartLimit limit;
    private final PrintWriter err;
    private final Path directory;
    private final Path control;
    private final Fd listening;
    private final EventLoop loop = new EventLoop();
    private final Map<String, VfioUserRelay> relays = new LinkedHashMap<>();
    private int relayCount;
    private Estate estate = new Estate(Map.of(), List.of());
    private boolean hasServed;
    private boolean servesNow;
    private long endedNs;

    // Ready, and waits for the other one's end.
    private @Nullable Server successor;

    // Who has asked for a successor wants to hear of it.
    private @Nullable FdChannel asker;

    private volatile @Nullable Process running;
    private volatile @Nullable Process preparing;
    private volatile boolean stopping;

    /**
     * A server.
     *
     * @param paths where it serves
     */
    private record Server(Process process, FdChannel channel, Set<String> paths) {}

    /**
     * @param program the command that is a server, once {@code --kept-by} and a path are behind it
     * @param err for people
     */
    public Keeper(List<String> program, RestartLimit limit, PrintWriter err) {
        this.program = List.copyOf(program);
        this.limit = limit;
        this.err = err;
        try {
            // Nobody else gets into it, nor to the sockets in it.
            directory = Files.createTempDirectory("vfio4j-keeper-");
        } catch (IOException e) {
            throw ErrnoException.of(e, "make a directory for a keeper's sockets");
        }
        control = directory.resolve("keeper");
        listening = UnixSocket.listen(control, 1);
    }

    /**
     * Runs servers until it is stopped.
     *
     * @return the exit code: of the first server, if that one never served; 0 after {@link #stop}
     */
    public int run() throws InterruptedException {
        while (!stopping) {
            int code = runServer();
            if (stopping) {
                break;
            }
            if (!hasServed) {
                return code == ExitCode.OK ? ExitCode.FAILED : code;
            }
            // One that ends in good order was asked to, for another to take its place.
            boolean asked = servesNow && code == ExitCode.OK;
            Optional<Duration> pause = asked ? Optional.of(Duration.ZERO) : limit.ended(System.nanoTime());
            if (pause.isEmpty()) {
                err.println("vfio: serve: the server has ended " + limit + ": giving up, its clients are disconnected");
                err.println("try: the same without --supervised, to see why");
                return ExitCode.FAILED;
            }
            err.println("the server has ended with " + code + ": its clients wait for another");
            Thread.sleep(pause.get());
        }
        return ExitCode.OK;
    }

    /** The server that runs; 0 for none. */
    long serverPid() {
        Process now = running;
        return now == null ? 0 : now.pid();
    }

    /** Ends it, and its server in good order. */
    public void stop() {
        stopping = true;
        Process next = preparing;
        if (next != null) {
            next.destroyForcibly();
        }
        Process now = running;
        if (now != null) {
            now.toHandle().destroy();
        }
    }

    @Override
    public void close() {
        if (successor != null) {
            successor.process().destroyForcibly();
            successor.channel().close();
        }
        tell("the keeper ends");
        relays.values().forEach(Closing::quietly);
        loop.close();
        estate.close();
        listening.close();
        delete(directory);
    }

    /** Removes what a keeper has left that was killed. */
    static void delete(Path directory) {
        try (var files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
            Files.deleteIfExists(directory);
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "{0} stays: {1}", directory, e.toString());
        }
    }

    /** Runs one server to its end, which is when nothing of it writes any more: its exit code. */
    private int runServer() throws InterruptedException {
        servesNow = false;
        Server ready = successor;
        successor = null;
        Process process = ready == null ? start() : ready.process();
        running = process;
        try {
            if (stopping) {
                process.toHandle().destroy();
            }
            if (ready == null) {
                connection(process).ifPresent(this::serve);
            } else {
                // It has been waiting for this.
                KeeperWords.answer(ready.channel(), new byte[0], List.of());
                serve(ready);
            }
        } catch (ErrnoException e) {
            LOG.log(Level.ERROR, "server {0} is killed: {1}", process.pid(), e.getMessage());
            process.destroyForcibly();
        } finally {
            endedNs = servesNow ? System.nanoTime() : endedNs;
            relays.values().forEach(relay -> relay.setServing(false));
        }
        if (!process.waitFor(END_LIMIT.toSeconds(), TimeUnit.SECONDS)) {
            LOG.log(Level.ERROR, "server {0} does not end, and is killed", process.pid());
            process.destroyForcibly();
        }
        int code = process.waitFor();
        running = null;
        if (!servesNow) {
            tell("server " + process.pid() + " has ended with " + code + " before it served");
        }
        return code;
    }

    private Process start() {
        List<String> command = new ArrayList<>(program);
        command.addAll(List.of(KEPT_BY, control.toString()));
        try {
            return new ProcessBuilder(command).inheritIO().start();
        } catch (IOException e) {
            throw ErrnoException.of(e, "start " + command.getFirst());
        }
    }

    /** Answers a server until it lets go of the connection, which is at its end, or another one is to take its place. */
    private void serve(Server server) {
        try (FdChannel channel = server.channel()) {
            while (successor == null) {
                FdChannel.Packet packet;
                try {
                    packet = channel.receive(KeeperWords.MAX_BYTES, Long.MAX_VALUE);
                } catch (ErrnoException e) {
                    if (e.errno() == EPROTO || e.errno() == ETIMEDOUT) {
                        throw e;
                    }
                    return;
                }
                try (packet) {
                    String words = new String(packet.bytes(), StandardCharsets.UTF_8);
                    if (words.equals(KeeperWords.REPLACE) && stopping) {
                        return;
                    }
                    handle(server, words, packet);
                } catch (ErrnoException e) {
                    KeeperWords.refuse(channel, e);
                }
            }
        }
    }

    /** Empty when the process ends instead. */
    private Optional<Server> connection(Process process) {
        long deadline = System.nanoTime() + CONNECT_LIMIT.toNanos();
        while (process.isAlive()) {
            Poll.poll(listening.value(), Poll.POLLIN, LOOK_NS);
            int fd = UnixSocket.accept(listening.value());
            if (fd >= 0) {
                return Optional.of(new Server(process, new FdChannel(Fd.own(fd)), new HashSet<>()));
            }
            if (fd != -EAGAIN) {
                throw new ErrnoException(-fd, "accept a server");
            }
            if (System.nanoTime() - deadline > 0) {
                throw new ErrnoException(ETIMEDOUT, "server " + process.pid() + " does not report");
            }
        }
        return Optional.empty();
    }

    private void handle(Server server, String words, FdChannel.Packet packet) {
        FdChannel channel = server.channel();
        if (build(server, words, false)) {
            return;
        }
        if (words.startsWith(KeeperWords.KEEP)) {
            byte[] text = words.substring(KeeperWords.KEEP.length()).getBytes(StandardCharsets.UTF_8);
            Estate left = Estate.parse(text, packet.fds());
            estate.close();
            estate = left;
            KeeperWords.answer(channel, new byte[0], List.of());
        } else if (words.startsWith(KeeperWords.UNLISTEN)) {
            String path = words.substring(KeeperWords.UNLISTEN.length());
            server.paths().remove(path);
            Optional.ofNullable(relays.remove(path)).ifPresent(VfioUserRelay::close);
            KeeperWords.answer(channel, new byte[0], List.of());
        } else if (words.startsWith(KeeperWords.CLIENT)) {
            Optional<ServerHandover> client =
                    relay(words.substring(KeeperWords.CLIENT.length())).resume();
            try {
                KeeperWords.answer(
                        channel,
                        client.map(ServerHandover::record).orElse(new byte[0]),
                        client.map(ServerHandover::fds).orElse(List.of()));
            } finally {
                client.ifPresent(ServerHandover::close);
            }
        } else if (words.equals(KeeperWords.WARM)) {
            KeeperWords.answer(channel, new byte[0], List.of());
        } else if (words.equals(KeeperWords.SERVING)) {
            serving(server);
        } else if (words.equals(KeeperWords.REPLACE)) {
            replace(server, packet.fds());
        } else {
            throw new ErrnoException(EIO, "a server that says: " + words);
        }
    }

    /** What a server asks while it builds its machine: whether it was that. */
    private boolean build(Server server, String words, boolean anotherServes) {
        if (words.equals(KeeperWords.ESTATE)) {
            byte[] text = estate.text().getBytes(StandardCharsets.UTF_8);
            byte[] answer = new byte[1 + text.length];
            answer[0] = anotherServes ? KeeperWords.ANOTHER_SERVES : 0;
            System.arraycopy(text, 0, answer, 1, text.length);
            KeeperWords.answer(
                    server.channel(), answer, List.copyOf(estate.fds().values()));
            return true;
        }
        if (words.startsWith(KeeperWords.LISTEN)) {
            String path = words.substring(KeeperWords.LISTEN.length());
            try (Fd inner = relay(path).innerListening()) {
                server.paths().add(path);
                KeeperWords.answer(server.channel(), new byte[0], List.of(inner));
            }
            return true;
        }
        return false;
    }

    /** @param asking the connection of who wants to hear of it, if anybody does */
    private void replace(Server server, List<Fd> asking) {
        try {
            prepare();
            forgetAsker();
            asking.forEach(fd -> asker = new FdChannel(fd.dup()));
        } catch (ErrnoException e) {
            // The other one may have wanted other sockets.
            closeAllBut(server.paths());
            throw e;
        }
    }

    /** Starts the next server while this one serves. It builds its machine, and waits. */
    private void prepare() {
        Process process = start();
        preparing = process;
        try {
            Server next = connection(process).orElseThrow(() -> notReady(process));
            try {
                while (!isWarm(next)) {
                    // It asks for the next thing.
                }
                successor = next;
            } catch (ErrnoException e) {
                next.channel().close();
                throw e;
            }
        } catch (ErrnoException e) {
            process.destroyForcibly();
            throw e;
        } finally {
            preparing = null;
        }
    }

    /** Answers a server that builds its machine: whether it is ready. */
    private boolean isWarm(Server next) {
        try (FdChannel.Packet packet = next.channel().receive(KeeperWords.MAX_BYTES, CONNECT_LIMIT.toNanos())) {
            String words = new String(packet.bytes(), StandardCharsets.UTF_8);
            if (words.equals(KeeperWords.WARM)) {
                return true;
            }
            try {
                if (!build(next, words, true)) {
                    throw new ErrnoException(EPROTO, "a server that is not ready says: " + words);
                }
            } catch (ErrnoException e) {
                KeeperWords.refuse(next.channel(), e);
            }
            return false;
        } catch (ErrnoException e) {
            throw e.errno() == ECONNRESET ? notReady(next.process()) : e;
        }
    }

    private static ErrnoException notReady(Process process) {
        String how = "";
        try {
            how = process.waitFor(END_LIMIT.toSeconds(), TimeUnit.SECONDS) ? " with " + process.exitValue() : "";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return new ErrnoException(
                EIO,
                "server " + process.pid() + " has ended" + how + " before it was ready, and has told its keeper's"
                        + " standard error why");
    }

    private void serving(Server server) {
        closeAllBut(server.paths());
        relays.values().forEach(relay -> relay.setServing(true));
        long pid = server.process().pid();
        if (hasServed) {
            long waitedNs = System.nanoTime() - endedNs;
            err.printf(
                    Locale.ROOT,
                    "process %d serves where the other did; its clients waited for %.0f ms%n",
                    pid,
                    waitedNs / 1e6);
            FdChannel to = asker;
            if (to != null) {
                Replacement.tell(to, new Replacement.Done(pid, relays.size(), waitedNs));
                forgetAsker();
            }
        }
        hasServed = true;
        servesNow = true;
    }

    /** Tells who has asked for another server why there is none. */
    private void tell(String failure) {
        FdChannel to = asker;
        if (to != null) {
            Replacement.tell(to, EIO, failure);
            forgetAsker();
        }
    }

    private void forgetAsker() {
        FdChannel to = asker;
        asker = null;
        if (to != null) {
            to.close();
        }
    }

    private void closeAllBut(Set<String> paths) {
        List<String> unserved =
                relays.keySet().stream().filter(path -> !paths.contains(path)).toList();
        unserved.forEach(path -> Objects.requireNonNull(relays.remove(path)).close());
    }

    private boolean serverLives() {
        Process now = running;
        return now != null && now.isAlive();
    }

    private VfioUserRelay relay(String path) {
        VfioUserRelay found = relays.get(path);
        if (found == null) {
            Path inner = directory.resolve(Integer.toString(relayCount++));
            found = VfioUserRelay.listen(
                    loop, Path.of(path), inner, new VfioUserRelay.ServerLife(this::serverLives, LET_GO_AFTER));
            relays.put(path, found);
            if (servesNow) {
                found.setServing(true);
            }
        }
        return found;
    }
}
