package org.vfio4j.cli.upgrade;

import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.ErrnoException;

/**
 * Which storages the process had for itself that stopped: what it says last, when it has let go of them.
 *
 * @param bits one for each of a device's storages, by the device's name
 */
record StorageClaims(Map<String, Long> bits) {

    /** @param storages of all devices, whether they move or not, by their names */
    static StorageClaims of(Map<String, List<BlockBackend>> storages) {
        Map<String, Long> claims = new LinkedHashMap<>();
        storages.forEach((name, each) -> {
            long bits = 0;
            for (int i = 0; i < each.size(); i++) {
                bits |= each.get(i).isClaimed() ? 1L << i : 0;
            }
            claims.put(name, bits);
        });
        return new StorageClaims(claims);
    }

    /**
     * Claims of the same storages, here, what was claimed there.
     *
     * @throws ErrnoException EBUSY when another has one
     */
    void claim(Map<String, List<BlockBackend>> storages) {
        storages.forEach((name, each) -> {
            long claimed = bits.getOrDefault(name, 0L);
            for (int i = 0; i < each.size(); i++) {
                if ((claimed & (1L << i)) != 0) {
                    each.get(i).claim();
                }
            }
        });
    }

    byte[] toBytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeInt(bits.size());
            for (Map.Entry<String, Long> claim : bits.entrySet()) {
                out.writeUTF(claim.getKey());
                out.writeLong(claim.getValue());
            }
        } catch (IOException e) {
            throw new UncheckedIOException("write to memory", e);
        }
        return bytes.toByteArray();
    }

    /** @throws ErrnoException EINVAL when it is none */
    static StorageClaims parse(byte[] bytes) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            Map<String, Long> claims = new LinkedHashMap<>();
            for (int left = in.readInt(); left > 0; left--) {
                claims.put(in.readUTF(), in.readLong());
            }
            return new StorageClaims(claims);
        } catch (IOException e) {
            throw new ErrnoException(EINVAL, "take over: what the other process says last is cut short");
        }
    }
}
