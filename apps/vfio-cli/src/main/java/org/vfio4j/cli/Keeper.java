package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EAGAIN;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.ServerHandover;
import org.vfio4j.vfiouser.VfioUserRelay;

/**
 * The process of {@code vfio serve --supervised}: it has the sockets and the clients' connections, and what its server has given it to keep,
 * and starts another server when that one dies. It knows nothing of devices. {@link #run} belongs to one thread, {@link #stop} to any.
 */
final class Keeper implements AutoCloseable {

    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(60);
    private static final Duration END_LIMIT = Duration.ofSeconds(30);
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
    private byte[] estateNames = {};
    private List<Fd> estate = List.of();
    private boolean hasServed;
    private boolean servesNow;
    private long endedNs;

    private @Nullable Successor successor;

    private volatile @Nullable Process server;
    private volatile @Nullable Process preparing;
    private volatile boolean stopping;

    /** A server that is ready and waits for the other one's end. */
    private record Successor(Process process, FdChannel channel) {}

    /**
     * @param program the command that is a server, once {@code --kept-by} and a path are behind it
     * @param err for people
     */
    Keeper(List<String> program, RestartLimit limit, PrintWriter err) {
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
    int run() throws InterruptedException {
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
        Process running = server;
        return running == null ? 0 : running.pid();
    }

    /** Ends it, and its server in good order. */
    void stop() {
        stopping = true;
        Process next = preparing;
        if (next != null) {
            next.destroyForcibly();
        }
        Process running = server;
        if (running != null) {
            running.toHandle().destroy();
        }
    }

    @Override
    public void close() {
        if (successor != null) {
            successor.process().destroyForcibly();
            successor.channel().close();
        }
        relays.values().forEach(Closing::quietly);
        loop.close();
        estate.forEach(Fd::close);
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
        Successor ready = successor;
        successor = null;
        Process process = ready == null ? start() : ready.process();
        server = process;
        try {
            if (stopping) {
                process.toHandle().destroy();
            }
            if (ready == null) {
                connection(process).ifPresent(channel -> serve(channel, process));
            } else {
                KeeperWords.answer(ready.channel(), estateNames, estate);
                serve(ready.channel(), process);
            }
        } catch (ErrnoException e) {
            LOG.log(Level.ERROR, "server {0} is killed: {1}", process.pid(), e.getMessage());
            process.destroyForcibly();
        } finally {
            endedNs = System.nanoTime();
            relays.values().forEach(relay -> relay.setServing(false));
        }
        if (!process.waitFor(END_LIMIT.toSeconds(), TimeUnit.SECONDS)) {
            LOG.log(Level.ERROR, "server {0} does not end, and is killed", process.pid());
            process.destroyForcibly();
        }
        int code = process.waitFor();
        server = null;
        return code;
    }

    private Process start() {
        List<String> command = new ArrayList<>(program);
        command.addAll(List.of(ServeCommand.KEPT_BY, control.toString()));
        try {
            return new ProcessBuilder(command).inheritIO().start();
        } catch (IOException e) {
            throw ErrnoException.of(e, "start " + command.getFirst());
        }
    }

    /**
     * Answers a server until it lets go of the connection, which is at its end, or another one is to take its place.
     *
     * @param channel closed by this
     */
    private void serve(FdChannel channel, Process process) {
        try (channel) {
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
                    handle(channel, words, packet, process);
                } catch (ErrnoException e) {
                    KeeperWords.refuse(channel, e);
                }
            }
        }
    }

    /** Empty when the process ends instead. */
    private Optional<FdChannel> connection(Process process) {
        long deadline = System.nanoTime() + CONNECT_LIMIT.toNanos();
        while (process.isAlive()) {
            Poll.poll(listening.value(), Poll.POLLIN, LOOK_NS);
            int fd = UnixSocket.accept(listening.value());
            if (fd >= 0) {
                return Optional.of(new FdChannel(Fd.own(fd)));
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

    private void handle(FdChannel channel, String words, FdChannel.Packet packet, Process process) {
        if (words.equals(KeeperWords.ESTATE)) {
            KeeperWords.answer(channel, estateNames, estate);
        } else if (words.startsWith(KeeperWords.KEEP)) {
            estate.forEach(Fd::close);
            estate = packet.fds().stream().map(Fd::dup).toList();
            estateNames = words.substring(KeeperWords.KEEP.length()).getBytes(StandardCharsets.UTF_8);
            KeeperWords.answer(channel, new byte[0], List.of());
        } else if (words.startsWith(KeeperWords.LISTEN)) {
            try (Fd inner = relay(words.substring(KeeperWords.LISTEN.length())).innerListening()) {
                KeeperWords.answer(channel, new byte[0], List.of(inner));
            }
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
        } else if (words.equals(KeeperWords.SERVING)) {
            serving(process);
        } else if (words.equals(KeeperWords.REPLACE)) {
            prepare();
        } else if (words.equals(KeeperWords.WARM)) {
            LOG.log(Level.DEBUG, "server {0} waited longer than it needed to", process.pid());
        } else {
            throw new ErrnoException(EIO, "a server that says: " + words);
        }
    }

    /** Starts the next server while this one serves. */
    private void prepare() {
        Process next = start();
        preparing = next;
        try {
            FdChannel channel = connection(next)
                    .orElseThrow(
                            () -> new ErrnoException(EIO, "server " + next.pid() + " has ended before it was ready"));
            try {
                expect(channel, KeeperWords.ESTATE);
                expect(channel, KeeperWords.WARM);
                successor = new Successor(next, channel);
            } catch (ErrnoException e) {
                channel.close();
                throw e;
            }
        } catch (ErrnoException e) {
            next.destroyForcibly();
            throw e;
        } finally {
            preparing = null;
        }
    }

    private static void expect(FdChannel channel, String word) {
        try (FdChannel.Packet packet = channel.receive(KeeperWords.MAX_BYTES, CONNECT_LIMIT.toNanos())) {
            String said = new String(packet.bytes(), StandardCharsets.UTF_8);
            if (!said.equals(word)) {
                throw new ErrnoException(EPROTO, "a server that says " + said + " and not " + word);
            }
        }
    }

    private void serving(Process process) {
        relays.values().forEach(relay -> relay.setServing(true));
        if (hasServed) {
            err.printf(
                    Locale.ROOT,
                    "process %d serves where the other did; its clients waited for %.0f ms%n",
                    process.pid(),
                    (System.nanoTime() - endedNs) / 1e6);
        }
        hasServed = true;
        servesNow = true;
    }

    private VfioUserRelay relay(String path) {
        VfioUserRelay found = relays.get(path);
        if (found == null) {
            found = VfioUserRelay.listen(loop, Path.of(path), directory.resolve(Integer.toString(relays.size())));
            relays.put(path, found);
        }
        return found;
    }
}
