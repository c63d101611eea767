package org.vfio4j.cli.upgrade;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.Movable;
import org.vfio4j.cli.machine.MovingFunction;
import org.vfio4j.cli.machine.UpgradeOffer;
import org.vfio4j.cli.process.Precedence;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.socket.InheritedSockets;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/**
 * The side of an upgrade that takes: see {@link UpgradeSource}. Until {@link #finish} has returned the other process serves; it goes on
 * when this one fails. One thread.
 */
public final class Takeover implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(Takeover.class.getName());
    private static final Duration LIMIT = Duration.ofSeconds(10);

    /** For the other process to end its rehearsal and to stop its devices. */
    private static final Duration HEAD_LIMIT = Duration.ofSeconds(30);

    private static final int MAX_OFFER_BYTES = 16 << 20;
    private static final int MAX_FUNCTION_BYTES = 64 << 20;
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private final FdChannel channel;
    private final UpgradeOffer offer;
    private final Map<UpgradeOffer.Memory, Fd> memories = new HashMap<>();
    private final Map<String, Fd> sockets = new HashMap<>();
    private final Set<UpgradeOffer.Memory> used = new HashSet<>();

    private Takeover(FdChannel channel, UpgradeOffer offer, List<Fd> fds) {
        this.channel = channel;
        this.offer = offer;
        int first = offer.memories().size();
        for (int i = 0; i < first; i++) {
            memories.put(offer.memories().get(i), fds.get(i));
        }
        for (int i = first; i < fds.size(); i++) {
            sockets.put(offer.sockets().get(i - first), fds.get(i));
        }
    }

    /**
     * Asks a process for all that it serves.
     *
     * @throws CliException when it does not answer, or does not want to
     */
    public static Takeover of(long pid) {
        FdChannel channel = connect(pid);
        try {
            return over(channel);
        } catch (ErrnoException | JacksonException e) {
            throw new CliException(
                    ExitCode.UNREACHABLE, "process " + pid + " does not hand over: " + e.getMessage(), "vfio ls");
        }
    }

    /**
     * The same over a connection on which it has been asked.
     *
     * @param channel owned by this, also when it throws
     */
    static Takeover over(FdChannel channel) {
        try (FdChannel.Packet packet = channel.receive(MAX_OFFER_BYTES, LIMIT.toNanos())) {
            JsonNode reply = JSON.readTree(new String(packet.bytes(), StandardCharsets.UTF_8));
            checkNoError(reply);
            JsonNode item = reply.path("items").path(0);
            int format = item.path("format").asInt(1);
            if (format != UpgradeOffer.FORMAT) {
                throw new ErrnoException(
                        EPROTO,
                        "take over: the other process speaks format " + format + ", this one " + UpgradeOffer.FORMAT);
            }
            UpgradeOffer offer = JSON.treeToValue(item, UpgradeOffer.class);
            if (packet.fds().size() != offer.memories().size() + offer.sockets().size()) {
                throw new ErrnoException(EPROTO, "take over: descriptors are missing");
            }
            return new Takeover(
                    channel, offer, packet.fds().stream().map(Fd::dup).toList());
        } catch (RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** How the other process was started. */
    public UpgradeOffer offer() {
        return offer;
    }

    /** Storage as the other process leaves it, for what its arguments name. */
    public Storage storage() {
        Set<String> ended = offer.emulatedPlaces();
        return storage(address -> !ended.contains(address));
    }

    /** @param stays of a function's place: whether the other process's is the one that is made here; otherwise that has ended there */
    private Storage storage(Predicate<String> stays) {
        return new Storage() {

            @Override
            public FileBackend file(Path path, boolean readOnly, FileIoMode mode, FileCaching caching) {
                return FileBackend.openUnclaimed(path, readOnly, mode, caching);
            }

            @Override
            public BlockBackend memory(PciAddress address, int index, long sizeBytes) {
                return stays.test(address.toString())
                        ? shared(address.toString(), index, sizeBytes)
                        : MemoryBackend.shareable(sizeBytes);
            }

            @Override
            public BlockBackend memory(String scalable, long sizeBytes) {
                return shared(scalable, 0, sizeBytes);
            }
        };
    }

    /** The sockets that the other process has inherited: their numbers on its command line mean nothing here. */
    public InheritedSockets sockets() {
        Set<String> emulated = offer.emulatedPlaces();
        return (function, number) -> {
            Fd socket = sockets.get(function);
            if (socket == null && (!offer.hasFunction(function) || emulated.contains(function))) {
                // It has ended there, and will here.
                return Fd.none();
            }
            if (socket == null) {
                throw new CliException(
                        new ErrnoException(
                                EINVAL, "take over " + function + ": the other process has no inherited socket for it"),
                        "vfio ls");
            }
            return socket.dup();
        };
    }

    private BlockBackend shared(String device, int index, long sizeBytes) {
        UpgradeOffer.Memory wanted = new UpgradeOffer.Memory(device, index);
        Fd memory = memories.get(wanted);
        if (memory == null && !offer.devices().contains(device)) {
            // It has ended there, and will here.
            return MemoryBackend.shareable(sizeBytes);
        }
        if (memory == null) {
            throw new ErrnoException(EINVAL, "take over " + device + ": the other process has no disk in memory there");
        }
        used.add(wanted);
        return MemoryBackend.shared(memory.dup(), sizeBytes);
    }

    /** A disk in memory that stands on something else here is another disk. */
    private void checkAllUsed() {
        for (UpgradeOffer.Memory memory : offer.memories()) {
            if (!used.contains(memory)) {
                throw new ErrnoException(
                        EINVAL, "take over " + memory.device() + ": the other process has a disk in memory there");
            }
        }
    }

    /**
     * Takes everything: the other process stops, and this one goes on.
     *
     * @param machine built as the other's is, taking over
     * @param precedence for the moment in which nobody serves
     * @return for how many nanoseconds nobody served
     * @throws ErrnoException when anything fails: the other process serves on, or is gone, and this machine is of no use
     */
    public long finish(Machine machine, Supplier<Precedence> precedence) {
        Map<String, Movable> here;
        try {
            here = prepare(machine);
        } catch (RuntimeException e) {
            giveUp(machine, e);
            throw e;
        }
        long pauseNs;
        // Before the other one stops: until then this one only waits.
        try (Precedence asLongAsGuestsWait = precedence.get().take()) {
            pauseNs = take(machine, here);
        }
        Movable.each(machine.movables(), Movable::unprepare);
        machine.setTakingOver(false);
        machine.serveRest();
        return pauseNs;
    }

    /** What can be done while the other process serves. */
    private Map<String, Movable> prepare(Machine machine) {
        machine.become(offer, new DeviceKinds(storage(address -> true)));
        machine.mdevs().startAs(offer.mdevs());
        checkAllUsed();
        Map<String, Movable> here = new HashMap<>();
        machine.movables().forEach(device -> here.put(device.name(), device));
        here.values().forEach(Movable::prepare);
        return here;
    }

    private long take(Machine machine, Map<String, Movable> here) {
        List<MovingFunction> moving = new ArrayList<>();
        List<Movable> taken = new ArrayList<>();
        UpgradeHead head;
        try {
            say(UpgradeSource.READY);
            head = UpgradeHead.parse(receive(HEAD_LIMIT));
            for (int left = head.devices(); left > 0; left--) {
                MovingFunction each = receiveFunction();
                moving.add(each);
                Movable device = find(here, each.name());
                device.takeOver(each);
                taken.add(device);
            }
            StorageClaims.parse(receive(LIMIT)).claim(machine.storages());
            sayTaken();
        } catch (RuntimeException e) {
            moving.forEach(MovingFunction::close);
            giveUp(machine, e);
            throw e;
        }
        // All is this process's: what fails from now on is one device's, and no reason to let go of the others.
        Movable.each(taken, Movable::startTakenOver);
        return System.nanoTime() - head.sinceNs();
    }

    private void giveUp(Machine machine, RuntimeException why) {
        machine.movables().forEach(Movable::unprepare);
        tell(why);
    }

    /** Waits until the other process has left its places in the file system, after {@link #finish}. One that does not is passed over. */
    public void awaitLeft() {
        try {
            hear(MAX_OFFER_BYTES);
        } catch (ErrnoException e) {
            // Its end of the channel is closed: that is what it says.
            LOG.log(Level.DEBUG, "the other process has left: {0}", e.getMessage());
        }
    }

    @Override
    public void close() {
        memories.values().forEach(Fd::close);
        sockets.values().forEach(Fd::close);
        channel.close();
    }

    private MovingFunction receiveFunction() {
        FdChannel.Packet packet = channel.receive(MAX_FUNCTION_BYTES, LIMIT.toNanos());
        try {
            checkNoFailure(packet.bytes());
            return MovingFunction.parse(packet.bytes(), packet.fds());
        } catch (ErrnoException e) {
            packet.close();
            throw e;
        }
    }

    private byte[] receive(Duration limit) {
        try (FdChannel.Packet packet = channel.receive(MAX_OFFER_BYTES, limit.toNanos())) {
            checkNoFailure(packet.bytes());
            return packet.bytes();
        }
    }

    /** Instead of anything the other process may say why it goes on, in JSON; nothing else begins like that. */
    private static void checkNoFailure(byte[] packet) {
        if (packet.length > 0 && packet[0] == '{') {
            throw new ErrnoException(EPROTO, new String(packet, StandardCharsets.UTF_8));
        }
    }

    private static Movable find(Map<String, Movable> here, String name) {
        Movable found = here.get(name);
        if (found == null) {
            throw new ErrnoException(EINVAL, "take over " + name + ", which is not here");
        }
        return found;
    }

    /** Before anything is done with what is taken: until then it is the other's, and with this word it is no more. */
    private void sayTaken() {
        try {
            say(UpgradeSource.TAKEN);
        } catch (ErrnoException e) {
            throw new ErrnoException(e.errno(), "take over: the other process has not waited for that, or is gone");
        }
    }

    private String hear(int maxBytes) {
        try (FdChannel.Packet packet = channel.receive(maxBytes, LIMIT.toNanos())) {
            return new String(packet.bytes(), StandardCharsets.UTF_8);
        }
    }

    private void say(String word) {
        channel.send(word.getBytes(StandardCharsets.UTF_8), List.of(), LIMIT.toNanos());
    }

    /** The other process waits for a word: it should not have to wait for the end of this one. */
    private void tell(RuntimeException failure) {
        try {
            say(String.valueOf(failure.getMessage()));
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "the other process is gone: {0}", e.getMessage());
        }
    }

    private static FdChannel connect(long pid) {
        try {
            Fd socket = UnixSocket.connect(ServerDirectory.control(pid));
            LineSocket lines = new LineSocket(socket);
            lines.write(ControlRequest.UPGRADE, LIMIT.toNanos());
            return new FdChannel(lines.detach());
        } catch (ErrnoException e) {
            throw new CliException(
                    ExitCode.UNREACHABLE, "process " + pid + " does not answer: " + e.getMessage(), "vfio ls");
        }
    }

    private static void checkNoError(JsonNode reply) {
        JsonNode item = reply.path("items").path(0);
        if (reply.path("kind").asString("").equals(ControlRequest.ERROR)) {
            int errno = item.path("errno").asInt();
            throw new CliException(ExitCode.of(errno), item.path("message").asString(""), hint(errno));
        }
    }

    private static String hint(int errno) {
        return errno == EBUSY || errno == EAGAIN ? "the same again in a few seconds; vfio ls" : "vfio ls";
    }
}
