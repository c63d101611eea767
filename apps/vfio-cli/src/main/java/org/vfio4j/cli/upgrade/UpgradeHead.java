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
 * What is said before the devices that move.
 *
 * @param devices how many follow
 * @param sinceNs when the first of them stopped, as {@link System#nanoTime} of any process here
 * @param claims which storages the process had for itself that stopped: a bit for each of a device's, by the device's name
 */
record UpgradeHead(int devices, long sinceNs, Map<String, Long> claims) {

    /** @param storages of all devices, whether they move or not, by their names */
    static UpgradeHead of(int devices, long sinceNs, Map<String, List<BlockBackend>> storages) {
        Map<String, Long> claims = new LinkedHashMap<>();
        storages.forEach((name, each) -> {
            long bits = 0;
            for (int i = 0; i < each.size(); i++) {
                bits |= each.get(i).isClaimed() ? 1L << i : 0;
            }
            claims.put(name, bits);
        });
        return new UpgradeHead(devices, sinceNs, claims);
    }

    /**
     * Claims of the same storages, here, what was claimed there.
     *
     * @throws ErrnoException EBUSY when another has one
     */
    void claim(Map<String, List<BlockBackend>> storages) {
        storages.forEach((name, each) -> {
            long bits = claims.getOrDefault(name, 0L);
            for (int i = 0; i < each.size(); i++) {
                if ((bits & (1L << i)) != 0) {
                    each.get(i).claim();
                }
            }
        });
    }

    byte[] toBytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeInt(devices);
            out.writeLong(sinceNs);
            out.writeInt(claims.size());
            for (Map.Entry<String, Long> claim : claims.entrySet()) {
                out.writeUTF(claim.getKey());
                out.writeLong(claim.getValue());
            }
        } catch (IOException e) {
            throw new UncheckedIOException("write to memory", e);
        }
        return bytes.toByteArray();
    }

    /** @throws ErrnoException EINVAL when it is none */
    static UpgradeHead parse(byte[] bytes) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            int devices = in.readInt();
            long sinceNs = in.readLong();
            Map<String, Long> claims = new LinkedHashMap<>();
            for (int left = in.readInt(); left > 0; left--) {
                claims.put(in.readUTF(), in.readLong());
            }
            return new UpgradeHead(devices, sinceNs, claims);
        } catch (IOException e) {
            throw new ErrnoException(EINVAL, "take over: what the other process says first is cut short");
        }
    }
}
