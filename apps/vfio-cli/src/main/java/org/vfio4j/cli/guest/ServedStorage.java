package org.vfio4j.cli.guest;

import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EPROTO;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.block.WriteMap;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.userspace.vmm.FileSourceDisk;
import org.vfio4j.userspace.vmm.FileTargetDisk;
import org.vfio4j.userspace.vmm.SourceDisk;
import org.vfio4j.userspace.vmm.TargetDisk;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What the disks of a served function stand on, as its server lends it to a process that moves a guest: see {@code StorageCopies}. One
 * thread; the server has it back when this is closed.
 */
final class ServedStorage implements AutoCloseable {

    private static final int MAX_REPLY_BYTES = 1 << 20;
    private static final long LIMIT_NS = 10_000_000_000L;

    private final List<AutoCloseable> held = new ArrayList<>();
    private final List<SourceDisk> sources = new ArrayList<>();
    private final List<TargetDisk> targets = new ArrayList<>();

    private ServedStorage() {}

    /** Of a guest whose storage both sides share. */
    static ServedStorage shared() {
        return new ServedStorage();
    }

    /**
     * To be read while it is used.
     *
     * @throws ErrnoException what its server says; ENODEV when no server of this user's has that socket
     */
    static ServedStorage read(String socket) {
        return ask(new StorageRequest(StorageRequest.READ, socket));
    }

    /** To be overwritten; otherwise as {@link #read}. */
    static ServedStorage write(Path socket) {
        return ask(
                new StorageRequest(StorageRequest.WRITE, socket.toAbsolutePath().toString()));
    }

    /** What was asked for to be read. */
    List<SourceDisk> sources() {
        return List.copyOf(sources);
    }

    /** What was asked for to be overwritten. */
    List<TargetDisk> targets() {
        return List.copyOf(targets);
    }

    @Override
    public void close() {
        held.reversed().forEach(Closing::quietly);
        held.clear();
    }

    private static ServedStorage ask(StorageRequest request) {
        long pid = ServerQuery.functions().stream()
                .filter(found -> found.function().socket().equals(request.socket()))
                .mapToLong(ServerQuery.Found::pid)
                .findFirst()
                .orElseThrow(() -> new ErrnoException(
                        ENODEV, "copy the storage of " + request.socket() + ", which no vfio serve of this user has"));
        ServedStorage storage = new ServedStorage();
        try {
            LineSocket lines = new LineSocket(UnixSocket.connect(ServerDirectory.control(pid)));
            lines.write(request.line(), LIMIT_NS);
            FdChannel channel = new FdChannel(lines.detach());
            storage.held.add(channel);
            FdChannel.Packet packet = channel.receive(MAX_REPLY_BYTES, LIMIT_NS);
            storage.held.addAll(packet.fds());
            storage.take(request, packet);
            return storage;
        } catch (RuntimeException e) {
            storage.close();
            throw e instanceof JacksonException ? new ErrnoException(EPROTO, "storage: " + e.getMessage()) : e;
        }
    }

    private void take(StorageRequest request, FdChannel.Packet packet) {
        JsonNode reply = JsonMapper.builder().build().readTree(new String(packet.bytes(), StandardCharsets.UTF_8));
        JsonNode items = reply.path("items");
        if (reply.path("kind").asString("").equals(ControlRequest.ERROR)) {
            int errno = items.path(0).path("errno").asInt(EIO);
            String message = items.path(0).path("message").asString("");
            String known = ": " + Errno.describe(errno);
            throw new ErrnoException(
                    errno, message.endsWith(known) ? message.substring(0, message.length() - known.length()) : message);
        }
        boolean read = request.kind().equals(StorageRequest.READ);
        int each = read ? 2 : 1;
        if (items.isEmpty() || packet.fds().size() != items.size() * each) {
            throw new ErrnoException(
                    EPROTO, items.size() + " storages with " + packet.fds().size() + " descriptors");
        }
        for (int i = 0; i < items.size(); i++) {
            long sizeBytes = items.path(i).path("sizeBytes").asLong(0);
            Fd file = packet.fds().get(i * each);
            if (read) {
                WriteMap map = WriteMap.shared(packet.fds().get(i * each + 1).dup(), sizeBytes);
                held.add(map);
                sources.add(new FileSourceDisk(file, sizeBytes, map.blockBytes(), map::takeMarked));
            } else {
                targets.add(new FileTargetDisk(file, sizeBytes));
            }
        }
    }
}
