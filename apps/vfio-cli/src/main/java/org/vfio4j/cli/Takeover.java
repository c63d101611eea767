package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPROTO;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
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
final class Takeover implements AutoCloseable {

    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final int MAX_OFFER_BYTES = 16 << 20;
    private static final int MAX_FUNCTION_BYTES = 64 << 20;
    private static final int HEAD_BYTES = Integer.BYTES + Long.BYTES;
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private final FdChannel channel;
    private final UpgradeOffer offer;
    private final Map<UpgradeOffer.Memory, Fd> memories = new HashMap<>();

    private Takeover(FdChannel channel, UpgradeOffer offer, List<Fd> fds) {
        this.channel = channel;
        this.offer = offer;
        for (int i = 0; i < fds.size(); i++) {
            memories.put(offer.memories().get(i), fds.get(i));
        }
    }

    /**
     * Asks a process for all that it serves.
     *
     * @throws CliException when it does not answer, or does not want to
     */
    static Takeover of(long pid) {
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
            UpgradeOffer offer = JSON.treeToValue(reply.path("items").path(0), UpgradeOffer.class);
            if (packet.fds().size() != offer.memories().size()) {
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
    UpgradeOffer offer() {
        return offer;
    }

    /** Storage as the other process leaves it. */
    Storage storage() {
        return new Storage() {

            @Override
            public BlockBackend file(Path path, boolean readOnly, FileIoMode mode, FileCaching caching) {
                return FileBackend.openUnclaimed(path, readOnly, mode, caching);
            }

            @Override
            public BlockBackend memory(PciAddress address, int index, long sizeBytes) {
                Fd memory = memories.get(new UpgradeOffer.Memory(address.toString(), index));
                if (memory == null) {
                    throw new ErrnoException(
                            EINVAL, "take over " + address + ": the other process has no disk in memory there");
                }
                return MemoryBackend.shared(memory.dup(), sizeBytes);
            }
        };
    }

    /**
     * Takes everything: the other process stops, and this one goes on.
     *
     * @param machine built as the other's is, taking over
     * @return for how many nanoseconds nobody served
     * @throws ErrnoException when anything fails: the other process serves on, and this machine is of no use
     */
    long finish(Machine machine) {
        List<MovingFunction> moving = new ArrayList<>();
        try {
            say(UpgradeSource.READY);
            long since = receive(moving);
            List<MachineFunction> taken = new ArrayList<>();
            claim(machine, moving);
            for (MovingFunction each : moving) {
                MachineFunction function = find(machine, each.address());
                function.takeOver(each);
                taken.add(function);
            }
            say(UpgradeSource.PREPARED);
            String said = hear(MAX_OFFER_BYTES);
            if (!said.equals(UpgradeSource.GO)) {
                throw new ErrnoException(EPROTO, "the other process goes on: " + said);
            }
            taken.forEach(MachineFunction::startTakenOver);
            long pause = System.nanoTime() - since;
            machine.setTakingOver(false);
            machine.functions().forEach(MachineFunction::serveIfBound);
            return pause;
        } catch (RuntimeException e) {
            moving.forEach(MovingFunction::close);
            tell(e);
            throw e;
        }
    }

    @Override
    public void close() {
        memories.values().forEach(Fd::close);
        channel.close();
    }

    private long receive(List<MovingFunction> moving) {
        ByteBuffer head;
        try (FdChannel.Packet packet = channel.receive(MAX_OFFER_BYTES, LIMIT.toNanos())) {
            if (packet.bytes().length != HEAD_BYTES) {
                throw new ErrnoException(EPROTO, new String(packet.bytes(), StandardCharsets.UTF_8));
            }
            head = ByteBuffer.wrap(packet.bytes());
        }
        for (int left = head.getInt(); left > 0; left--) {
            FdChannel.Packet packet = channel.receive(MAX_FUNCTION_BYTES, LIMIT.toNanos());
            try {
                moving.add(MovingFunction.parse(packet.bytes(), packet.fds()));
            } catch (ErrnoException e) {
                packet.close();
                throw e;
            }
        }
        return head.getLong();
    }

    /** What the other process had, and not what it had open for a function that is to come. */
    private static void claim(Machine machine, List<MovingFunction> moving) {
        for (MachineFunction function : machine.functions()) {
            String address = function.device().toString();
            moving.stream()
                    .filter(each -> each.address().equals(address))
                    .findFirst()
                    .ifPresentOrElse(
                            each -> each.claim(function.storages()),
                            () -> function.storages().forEach(BlockBackend::claim));
        }
    }

    private static MachineFunction find(Machine machine, String address) {
        return machine.functions().stream()
                .filter(function -> function.device().toString().equals(address))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(EINVAL, "take over " + address + ", which is not here"));
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
            System.getLogger(Takeover.class.getName())
                    .log(System.Logger.Level.DEBUG, "the other process is gone: {0}", e.getMessage());
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
            throw new CliException(
                    ExitCode.of(item.path("errno").asInt()),
                    item.path("message").asString(""),
                    "vfio ls");
        }
    }
}
