package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiouser.ServerHandover;

/**
 * A serving process's side of its {@link Keeper}: where its sockets are, what servers before have left, and who is connected. One thread, until
 * it serves; then a thread of its own waits for the keeper's end.
 */
final class KeptServer implements AutoCloseable {

    /** How soon a keeper answers that has no other server any more. */
    private static final long ANSWER_NS = 500_000_000;

    private static final Duration REHEARSAL_LIMIT = Duration.ofSeconds(2);
    private static final Duration TURN_LIMIT = Duration.ofSeconds(60);
    private static final Duration CLAIM_LIMIT = Duration.ofSeconds(10);
    private static final long CLAIM_PAUSE_NS = 1_000_000;
    private static final System.Logger LOG = System.getLogger(KeptServer.class.getName());

    private final FdChannel channel;
    private final Path directory;
    private final Optional<ProcessHandle> keeper = ProcessHandle.current().parent();
    // By name; empty for the first server.
    private final Map<String, Fd> estate;
    private final Map<String, Fd> listening = new HashMap<>();
    private final List<KeptFunction> functions = new ArrayList<>();
    private final List<FunctionJournal> journals = new ArrayList<>();
    private volatile boolean watched;

    private KeptServer(Path directory, FdChannel channel, Map<String, Fd> estate) {
        this.directory = directory;
        this.channel = channel;
        this.estate = estate;
    }

    /**
     * Finds its keeper.
     *
     * @param path the keeper's socket
     * @throws CliException when nobody is there
     */
    static KeptServer of(Path path) {
        try {
            FdChannel channel = new FdChannel(UnixSocket.connect(path));
            KeeperWords.ask(channel, KeeperWords.ESTATE, List.of());
            if (!channel.isReadable(ANSWER_NS)) {
                // Another one serves still, and goes when this one can do so as fast as that.
                rehearse();
                KeeperWords.ask(channel, KeeperWords.WARM, List.of());
            }
            try (FdChannel.Packet packet = KeeperWords.hear(channel, TURN_LIMIT.toNanos())) {
                Map<String, Fd> estate = new LinkedHashMap<>();
                List<String> names = new String(packet.bytes(), StandardCharsets.UTF_8)
                        .lines()
                        .toList();
                for (int i = 0; i < names.size(); i++) {
                    estate.put(names.get(i), packet.fds().get(i).dup());
                }
                return new KeptServer(
                        Objects.requireNonNull(path.toAbsolutePath().getParent()), channel, estate);
            }
        } catch (ErrnoException e) {
            throw new CliException(e, "vfio serve --supervised ..., which starts this by itself");
        }
    }

    /** On a busy machine it can take very long; what it has done by then is better than nothing. */
    private static void rehearse() {
        Thread rehearsing = Thread.ofPlatform().daemon().name("rehearsing").start(Rehearsal::whileServing);
        try {
            rehearsing.join(REHEARSAL_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether another server was there before. */
    boolean isSuccessor() {
        return !estate.isEmpty();
    }

    /** Storage as the last server has left it. */
    Storage storage() {
        return !isSuccessor()
                ? Storage.ANEW
                : new Storage() {

                    @Override
                    public BlockBackend file(Path path, boolean readOnly, FileIoMode mode, FileCaching caching) {
                        return FileBackend.openUnclaimed(path, readOnly, mode, caching);
                    }

                    @Override
                    public BlockBackend memory(PciAddress address, int index, long sizeBytes) {
                        return MemoryBackend.shared(inherited(memoryName(address.toString(), index)), sizeBytes);
                    }
                };
    }

    /**
     * Where a function is served that is to be served at a path.
     *
     * @throws ErrnoException why the keeper cannot listen there; EOPNOTSUPP once it serves, since the next server would not know of it
     */
    Endpoint endpoint(Path path) {
        if (watched) {
            throw new ErrnoException(EOPNOTSUPP, "serve at " + path + ": a supervised server has what it began with");
        }
        String at = path.toAbsolutePath().toString();
        KeeperWords.ask(channel, KeeperWords.LISTEN + at, List.of());
        try (FdChannel.Packet packet = KeeperWords.hear(channel)) {
            listening.put(at, packet.fds().getFirst().dup());
            return new Endpoint.AtPath(path);
        }
    }

    /**
     * Has a machine go on where the last server was, or begin, and serves.
     *
     * @param machine built as the last one's was, taking over
     * @throws ErrnoException why it cannot
     */
    void begin(Machine machine) {
        Map<MachineFunction, Endpoint.Kept> served = new LinkedHashMap<>();
        for (MachineFunction function : machine.functions()) {
            function.endpoint().ifPresent(endpoint -> served.put(function, kept(function, endpoint)));
        }
        if (isSuccessor()) {
            machine.functions().stream()
                    .flatMap(function -> function.storages().stream())
                    .forEach(KeptServer::claim);
        } else {
            leave(served);
        }
        served.forEach((function, endpoint) -> function.resume(endpoint, client(endpoint)));
        served.keySet().forEach(MachineFunction::startTakenOver);
        machine.setTakingOver(false);
        KeeperWords.ask(channel, KeeperWords.SERVING, List.of());
    }

    /** Has a thread wait for the keeper's end, to which the connection belongs from now on. */
    void watch(Runnable onEnd) {
        watched = true;
        Thread.ofPlatform().daemon().name("keeper").start(() -> {
            while (isKept()) {
                LOG.log(Level.WARNING, "it serves on, until it is told to end once more");
            }
            onEnd.run();
        });
    }

    /** Waits for what the keeper says: true for the refusal of another server, false for its end. */
    private boolean isKept() {
        try {
            KeeperWords.hear(channel, Long.MAX_VALUE).close();
            return true;
        } catch (ErrnoException e) {
            boolean gone = e.errno() == ECONNRESET;
            LOG.log(gone ? Level.DEBUG : Level.WARNING, "the keeper: {0}", e.getMessage());
            return !gone;
        }
    }

    /** Asks for another server, which is to be ready before this one goes. From any thread; whether it could be asked for. */
    boolean replace() {
        if (!watched) {
            return false;
        }
        try (FdChannel asking = channel.second()) {
            KeeperWords.ask(asking, KeeperWords.REPLACE, List.of());
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    /** Leaves everything to the next server as it is, whatever becomes of this one's devices. */
    void freeze() {
        functions.forEach(KeptFunction::freeze);
        journals.forEach(FunctionJournal::freeze);
    }

    /** After the machine: its functions write into what this closes. */
    @Override
    public void close() {
        functions.forEach(KeptFunction::close);
        listening.values().forEach(Fd::close);
        estate.values().forEach(Fd::close);
        if (!watched) {
            channel.close();
        }
        // It was killed: nobody else is left to do it.
        if (keeper.filter(ProcessHandle::isAlive).isEmpty()) {
            Keeper.delete(directory);
        }
    }

    private Endpoint.Kept kept(MachineFunction function, Endpoint endpoint) {
        Fd at = listening.remove(endpoint.socket());
        if (at == null) {
            throw new ErrnoException(EINVAL, "supervise " + function.device() + ", which is not served at a path");
        }
        FunctionJournal journal = function.functionJournal();
        long bytes = journal.sizeBytes();
        journals.add(journal);
        Fd memory = isSuccessor() ? inherited(journalName(function)) : KeptFunction.create(bytes);
        KeptFunction kept = new KeptFunction(memory, bytes);
        functions.add(kept);
        Endpoint.Kept own = new Endpoint.Kept(Path.of(endpoint.socket()), at, kept);
        function.moveTo(own);
        return own;
    }

    /** Gives the keeper what the next server is to find. */
    private void leave(Map<MachineFunction, Endpoint.Kept> served) {
        StringBuilder names = new StringBuilder(KeeperWords.KEEP);
        List<Fd> fds = new ArrayList<>();
        List<Fd> duplicates = new ArrayList<>();
        try {
            served.forEach((function, endpoint) -> {
                names.append(journalName(function)).append('\n');
                fds.add(endpoint.memory().memory());
                List<BlockBackend> storages = function.storages();
                for (int i = 0; i < storages.size(); i++) {
                    Optional<Fd> memory = storages.get(i).shareMemory();
                    if (memory.isPresent()) {
                        names.append(memoryName(function.device().toString(), i))
                                .append('\n');
                        fds.add(memory.get());
                        duplicates.add(memory.get());
                    }
                }
            });
            KeeperWords.ask(channel, names.toString(), fds);
            KeeperWords.hear(channel).close();
        } finally {
            duplicates.forEach(Fd::close);
        }
    }

    private Optional<ServerHandover> client(Endpoint.Kept endpoint) {
        KeeperWords.ask(channel, KeeperWords.CLIENT + endpoint.path(), List.of());
        FdChannel.Packet packet = KeeperWords.hear(channel);
        return packet.bytes().length == 0
                ? Optional.empty()
                : Optional.of(new ServerHandover(packet.bytes(), packet.fds()));
    }

    /** The last write of a process that was killed may take longer than the process: its lock goes after that. */
    private static void claim(BlockBackend storage) {
        long deadline = System.nanoTime() + CLAIM_LIMIT.toNanos();
        while (true) {
            try {
                storage.claim();
                return;
            } catch (ErrnoException e) {
                if (e.errno() != EBUSY || System.nanoTime() - deadline > 0) {
                    throw e;
                }
                LockSupport.parkNanos(CLAIM_PAUSE_NS);
            }
        }
    }

    private Fd inherited(String name) {
        Fd fd = estate.get(name);
        if (fd == null) {
            throw new ErrnoException(EINVAL, "go on with " + name + ", which the server before did not have");
        }
        return fd.dup();
    }

    private static String journalName(MachineFunction function) {
        return "journal " + function.device();
    }

    private static String memoryName(String address, int index) {
        return "memory " + address + " " + index;
    }
}
