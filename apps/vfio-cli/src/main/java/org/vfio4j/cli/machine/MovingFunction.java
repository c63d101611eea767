package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfiouser.ServerHandover;

/**
 * A device on its way from one process to another.
 *
 * @param name its place on the bus, or its uuid
 * @param server its client, see {@link ServerHandover}
 * @param state what is inside the device
 * @param memory what its client may have mapped of it; owned by this
 */
public record MovingFunction(String name, ServerHandover server, byte[] state, List<Fd> memory)
        implements AutoCloseable {

    /** The descriptors that go with {@link #toBytes}. */
    public List<Fd> fds() {
        return Stream.concat(server.fds().stream(), memory.stream()).toList();
    }

    /** As bytes; {@link #fds} go with them. */
    public byte[] toBytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeUTF(name);
            out.writeInt(server.record().length);
            out.write(server.record());
            out.writeInt(state.length);
            out.write(state);
            out.writeInt(memory.size());
        } catch (IOException e) {
            throw new UncheckedIOException("write to memory", e);
        }
        return bytes.toByteArray();
    }

    /**
     * Reads one.
     *
     * @param fds owned by it from now on
     * @throws ErrnoException EINVAL when it is none: the descriptors are the caller's still
     */
    public static MovingFunction parse(byte[] bytes, List<Fd> fds) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            String name = in.readUTF();
            byte[] record = in.readNBytes(in.readInt());
            byte[] state = in.readNBytes(in.readInt());
            int own = fds.size() - in.readInt();
            return new MovingFunction(
                    name,
                    new ServerHandover(record, fds.subList(0, own)),
                    state,
                    List.copyOf(fds.subList(own, fds.size())));
        } catch (IOException | IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new ErrnoException(EINVAL, "take over a function: its record is cut short");
        }
    }

    @Override
    public void close() {
        server.close();
        memory.forEach(Fd::close);
    }
}
