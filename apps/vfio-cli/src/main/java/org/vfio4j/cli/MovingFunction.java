package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfiouser.ServerHandover;

/**
 * A function on its way from one process to another.
 *
 * @param address its place on the bus
 * @param server its client, see {@link ServerHandover}
 * @param state what is inside the device
 * @param claims which of its storages it has for itself, a bit for each
 */
record MovingFunction(String address, ServerHandover server, byte[] state, long claims) implements AutoCloseable {

    static MovingFunction of(String address, ServerHandover server, byte[] state, List<BlockBackend> storages) {
        long claims = 0;
        for (int i = 0; i < storages.size(); i++) {
            claims |= storages.get(i).isClaimed() ? 1L << i : 0;
        }
        return new MovingFunction(address, server, state, claims);
    }

    /** Claims of the same storages, here, what was claimed. */
    void claim(List<BlockBackend> storages) {
        for (int i = 0; i < storages.size(); i++) {
            if ((claims & 1L << i) != 0) {
                storages.get(i).claim();
            }
        }
    }

    /** As bytes; {@link ServerHandover#fds} go with them. */
    byte[] toBytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeUTF(address);
            out.writeInt(server.record().length);
            out.write(server.record());
            out.writeInt(state.length);
            out.write(state);
            out.writeLong(claims);
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
    static MovingFunction parse(byte[] bytes, List<Fd> fds) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            String address = in.readUTF();
            byte[] record = in.readNBytes(in.readInt());
            byte[] state = in.readNBytes(in.readInt());
            return new MovingFunction(address, new ServerHandover(record, fds), state, in.readLong());
        } catch (IOException | IllegalArgumentException e) {
            throw new ErrnoException(EINVAL, "take over a function: its record is cut short");
        }
    }

    @Override
    public void close() {
        server.close();
    }
}
