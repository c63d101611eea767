package org.vfio4j.cli.keep;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Emulation;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.FunctionKeeping;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.upgrade.Rehearsal;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiouser.ServerHandover;

/**
 * A serving process's side of its {@link Keeper}: where its sockets are, what servers before have left, and who is connected. One thread until
 * it serves; then a thread of its own waits for the keeper's end, and functions come and go by any.
 *
 * <p>The next server builds its machine while this one still serves, if it can: it touches nothing of it before {@link #await}.
 */
public final class KeptServer implements FunctionKeeping, AutoCloseable {

    private static final Duration TURN_LIMIT = Duration.ofSeconds(60);
    private static final Duration REPLACE_LIMIT = Duration.ofMinutes(3);
    private static final Duration CLAIM_LIMIT = Duration.ofSeconds(10);
    private static final long CLAIM_PAUSE_NS = 1_000_000;
    private static final System.Logger LOG = System.getLogger(KeptServer.class.getName());

    private final KeeperLine line;
    private final Path directory;
    private final Optional<ProcessHandle> keeper = ProcessHandle.current().parent();
    private final boolean anotherServes;
    // Empty for the first server.
    private final Estate estate;
    private final KeptChanges changes;
    private final Map<String, Fd> listening = new HashMap<>();
    private final KeptMemory memory;
    private volatile Optional<Machine> serving = Optional.empty();
    private volatile boolean frozen;

    private KeptServer(Path directory, KeeperLine line, boolean anotherServes, Estate estate) {
        this.directory = directory;
        this.line = line;
        this.anotherServes = anotherServes;
        this.estate = estate;
        changes = new KeptChanges(estate.notes());
        memory = new KeptMemory(estate);
    }

    /**
     * Finds its keeper.
     *
     * @param path the keeper's socket
     * @throws CliException when nobody is there
     */
    public static KeptServer of(Path path) {
        try {
            KeeperLine line = new KeeperLine(new FdChannel(UnixSocket.connect(path)));
            try (FdChannel.Packet packet = line.ask(KeeperWords.ESTATE, List.of())) {
                boolean another = packet.bytes()[0] == KeeperWords.ANOTHER_SERVES;
                byte[] text = new byte[packet.bytes().length - 1];
                System.arraycopy(packet.bytes(), 1, text, 0, text.length);
                Path directory = Objects.requireNonNull(path.toAbsolutePath().getParent());
                return new KeptServer(directory, line, another, Estate.parse(text, packet.fds()));
            }
        } catch (ErrnoException e) {
            throw new CliException(e, "vfio serve --supervised ..., which starts this by itself");
        }
    }

    /** Whether another server was there before. */
    public boolean isSuccessor() {
        return !estate.isEmpty();
    }

    /** Storage as the last server has left it. */
    public Storage storage() {
        return isSuccessor() ? memory.storage() : Storage.ANEW;
    }

    /**
     * Has a machine's DPUs emulate what the last server's were asked for, with as many virtual functions. What cannot be had again is left
     * out, and its client let go.
     */
    public void emulateAgain(Machine machine) {
        for (PciAddress address : changes.emulated()) {
            try {
                changes.again(address, new DeviceKinds(storage()))
                        .map(machine::emulate)
                        .ifPresent(function -> turnOnAgain(machine, function));
            } catch (CliException | ErrnoException e) {
                LOG.log(Level.WARNING, "{0} does not come back: {1}", address, e.getMessage());
                changes.remove(address);
            }
        }
    }

    private static void turnOnAgain(Machine machine, MachineFunction physical) {
        try {
            machine.virtuals().begin(physical, 0);
        } catch (CliException | ErrnoException e) {
            LOG.log(
                    Level.WARNING,
                    "the virtual functions of {0} do not come back: {1}",
                    physical.device(),
                    e.getMessage());
        }
    }

    /**
     * Waits until the other server is gone, if there is one still.
     *
     * @param machine built as the last one's was, taking over
     * @throws ErrnoException why this one cannot go on: the other one serves on then
     */
    public void await(Machine machine) {
        for (MachineFunction function : machine.functions()) {
            if (function.endpoint().isPresent()) {
                memory.check(function);
            }
        }
        if (anotherServes) {
            Rehearsal.whileServing();
        }
        line.ask(KeeperWords.WARM, List.of(), TURN_LIMIT.toNanos()).close();
    }

    /**
     * Has a machine go on where the last server was, or begin, and serves.
     *
     * @param machine built as the last one's was, taking over
     * @throws ErrnoException why it cannot
     */
    public void begin(Machine machine) {
        Map<MachineFunction, Endpoint.Kept> served = new LinkedHashMap<>();
        for (MachineFunction function : machine.functions()) {
            function.endpoint().ifPresent(endpoint -> served.put(function, kept(function, endpoint)));
        }
        Map<MachineFunction, Optional<ServerHandover>> clients = new LinkedHashMap<>();
        served.forEach((function, endpoint) -> clients.put(function, client(endpoint)));
        if (isSuccessor()) {
            claim(machine, served, clients);
        }
        leave(machine);
        served.forEach(
                (function, endpoint) -> function.resume(endpoint, Objects.requireNonNull(clients.get(function))));
        served.keySet().forEach(MachineFunction::startTakenOver);
        machine.setTakingOver(false);
        line.say(KeeperWords.SERVING);
        serving = Optional.of(machine);
    }

    /** Has a thread wait for the keeper's end. */
    public void watch(Runnable onEnd) {
        line.watch(onEnd);
    }

    /** {@link #replace}, where it has begun to serve: whether it has. A keeper that cannot is told of by the log. */
    public boolean tryReplace() {
        if (!line.isWatched()) {
            return false;
        }
        try {
            replace(List.of());
        } catch (ErrnoException e) {
            if (e.errno() != ECONNRESET) {
                LOG.log(Level.WARNING, "it serves on, until it is told to end once more: {0}", e.getMessage());
            }
        }
        return true;
    }

    /**
     * Has the keeper start another server, which goes on when it is ready. From any thread; this process ends when that has worked.
     *
     * @param asker the connection of who is to hear from the keeper what has become of it, if anybody is; it stays the caller's
     * @throws ErrnoException why it did not work: this one serves on. ECONNRESET when the keeper has heard it, and this one ends
     */
    void replace(List<Fd> asker) {
        line.ask(KeeperWords.REPLACE, asker, REPLACE_LIMIT.toNanos()).close();
    }

    /** Leaves everything to the next server as it is, whatever becomes of this one's devices. */
    public void freeze() {
        frozen = true;
        memory.freeze();
    }

    /** After the machine: its functions write into what this closes. */
    @Override
    public void close() {
        memory.close();
        listening.values().forEach(Fd::close);
        estate.close();
        line.close();
        // It was killed: nobody else is left to do it.
        if (keeper.filter(ProcessHandle::isAlive).isEmpty()) {
            Keeper.delete(directory);
        }
    }

    /** @throws ErrnoException why the keeper cannot listen there */
    @Override
    public Endpoint endpoint(MachineFunction function, Path path) {
        String at = path.toAbsolutePath().toString();
        Fd in;
        try (FdChannel.Packet packet = line.ask(KeeperWords.LISTEN + at, List.of())) {
            in = packet.fds().getFirst().dup();
        }
        if (serving.isEmpty()) {
            listening.put(at, in);
            return new Endpoint.AtPath(path);
        }
        Endpoint.Kept own = new Endpoint.Kept(path, in, memory.of(function), () -> unlisten(at));
        try {
            function.keepIn(own.memory());
            leave(serving.get());
            return own;
        } catch (RuntimeException e) {
            own.close();
            throw e;
        }
    }

    @Override
    public void emulated(MachineFunction function, Emulation how) {
        if (serving.isPresent()) {
            if (how.words().isEmpty()) {
                throw new ErrnoException(EOPNOTSUPP, "emulate " + function.device() + ": another server could not");
            }
            changes.add(function.device().address(), how);
            leave(serving.get());
        }
    }

    @Override
    public void checkDeletable(MachineFunction function) {
        if (serving.isPresent() && !changes.isEmulated(function.device().address())) {
            throw new ErrnoException(
                    EOPNOTSUPP,
                    "delete " + function.device() + ": a supervised server keeps what it began with, and deletes what"
                            + " has come since");
        }
    }

    @Override
    public void deleted(MachineFunction function) {
        changes.remove(function.device().address());
        serving.ifPresent(machine -> {
            memory.forget(function);
            leave(machine);
        });
    }

    @Override
    public int numVfs(PciAddress physical, int planned) {
        return changes.numVfs(physical, planned);
    }

    @Override
    public void setNumVfs(PciAddress physical, int count) {
        serving.ifPresent(machine -> {
            changes.setNumVfs(physical, count);
            leave(machine);
        });
    }

    private Endpoint.Kept kept(MachineFunction function, Endpoint endpoint) {
        String path = endpoint.socket();
        Fd at = listening.remove(path);
        if (at == null) {
            throw new ErrnoException(EINVAL, "supervise " + function.device() + ", which is not served at a path");
        }
        Endpoint.Kept own = new Endpoint.Kept(Path.of(path), at, memory.of(function), () -> unlisten(path));
        function.moveTo(own);
        return own;
    }

    /** Gives the keeper what the next server is to find. */
    private void leave(Machine machine) {
        try (Estate all = memory.estate(machine, changes.notes())) {
            line.ask(KeeperWords.KEEP + all.text(), List.copyOf(all.fds().values()))
                    .close();
        }
    }

    /** A function's socket is of no use any more. When this server ends it is the next one's. */
    private void unlisten(String path) {
        if (serving.isEmpty() || frozen) {
            return;
        }
        try {
            line.ask(KeeperWords.UNLISTEN + path, List.of()).close();
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "the keeper listens on at {0}: {1}", path, e.getMessage());
        }
    }

    private Optional<ServerHandover> client(Endpoint.Kept endpoint) {
        FdChannel.Packet packet = line.ask(KeeperWords.CLIENT + endpoint.socket(), List.of());
        return packet.bytes().length == 0
                ? Optional.empty()
                : Optional.of(new ServerHandover(packet.bytes(), packet.fds()));
    }

    /**
     * Claims what the last server was using. The last write of a process that was killed may take longer than the process: its lock goes after
     * that. What nobody used is claimed if it can be at once, but for disks that come from another server, or may have gone there. Whoever uses
     * storage claims it, too: a function whose storage another process has now fails by itself.
     */
    private static void claim(
            Machine machine,
            Map<MachineFunction, Endpoint.Kept> served,
            Map<MachineFunction, Optional<ServerHandover>> clients) {
        long deadline = System.nanoTime() + CLAIM_LIMIT.toNanos();
        for (MachineFunction function : machine.functions()) {
            Endpoint.Kept endpoint = served.get(function);
            Optional<ServerHandover> client = clients.getOrDefault(function, Optional.empty());
            boolean used =
                    endpoint != null && client.isPresent() && endpoint.memory().isBusMaster();
            if (used) {
                function.storages().forEach(storage -> claim(storage, deadline));
            } else if (endpoint == null || endpoint.memory().isClaimedUnused()) {
                function.storages().forEach(storage -> claim(storage, System.nanoTime()));
            }
        }
    }

    private static void claim(BlockBackend storage, long deadline) {
        while (true) {
            try {
                storage.claim();
                return;
            } catch (ErrnoException e) {
                if (e.errno() != EBUSY || System.nanoTime() - deadline > 0) {
                    LOG.log(Level.WARNING, "{0} is not claimed: {1}", storage.describe(), e.getMessage());
                    return;
                }
                LockSupport.parkNanos(CLAIM_PAUSE_NS);
            }
        }
    }
}
