package org.vfio4j.cli.machine;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.Optional;
import org.vfio4j.devicemodel.StateJournal;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;
import org.vfio4j.vfiouser.ConfigJournal;

/**
 * What a function keeps outside of its process: its configuration as its user has set it up, and behind that what the function itself
 * keeps; at the end a byte. The memory is a descriptor's, which the process's keeper has too. Whoever has the function's connection writes.
 */
public final class KeptFunction implements ConfigJournal, AutoCloseable {

    private static final int CONFIG_BYTES = 4096;
    private static final int VECTORS = 2048;
    private static final int ENTRY_BYTES = 16;

    /** Three lengths, and all that a configuration can have: 2048 vectors, and a bit for each. */
    private static final int CAPACITY = 3 * Integer.BYTES + CONFIG_BYTES + VECTORS * ENTRY_BYTES + VECTORS / Byte.SIZE;

    /** Of the last bytes, which keep the function's part aligned, one is used. */
    private static final int TAIL_BYTES = 64;

    private final Fd memory;
    private final Mapping mapping;
    private final long claimedAt;
    private final StateJournal config;
    private volatile boolean frozen;

    private record Configuration(VfioPciConfigCopy config, VfioMsixCopy msix) {}

    /**
     * @param memory owned by this, also when it throws
     * @param functionBytes what the function needs
     */
    public KeptFunction(Fd memory, long functionBytes) {
        try {
            mapping = Mapping.shared(memory, 0, sizeBytes(functionBytes), Mapping.PROT_READ | Mapping.PROT_WRITE);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
        this.memory = memory;
        claimedAt = mapping.address() + sizeBytes(functionBytes) - TAIL_BYTES;
        config = new StateJournal(mapping.address(), CAPACITY);
    }

    /** Memory for one. */
    public static Fd create(long functionBytes) {
        return MemFd.create("vfio4j-function", sizeBytes(functionBytes));
    }

    /** Its memory, for the keeper; it stays this object's. */
    public Fd memory() {
        return memory;
    }

    /** Where the function's own part begins. */
    long address() {
        return mapping.address() + StateJournal.sizeBytes(CAPACITY);
    }

    /** The configuration; empty before there was a client. */
    Optional<VfioPciConfigCopy> config() {
        return last().map(Configuration::config);
    }

    /** The MSI-X table. */
    VfioMsixCopy msix() {
        return last().map(Configuration::msix).orElse(VfioMsixCopy.NOTHING);
    }

    /** Whether its user had let it master the bus. */
    public boolean isBusMaster() {
        return config().filter(VfioPciConfigCopy::isBusMaster).isPresent();
    }

    /** Whether its process has claimed its storage even if nobody uses it. */
    public boolean isClaimedUnused() {
        return RawMemory.getByte(claimedAt) != 0;
    }

    public void setClaimedUnused(boolean claimed) {
        RawMemory.putByte(claimedAt, (byte) (claimed ? 1 : 0));
    }

    @Override
    public void changed(VfioPciConfigCopy now, VfioMsixCopy msix) {
        if (frozen) {
            return;
        }
        byte[] space = now.bytes();
        byte[] pending = msix.pending().toByteArray();
        ByteBuffer out = ByteBuffer.allocate(3 * Integer.BYTES + space.length + msix.table().length + pending.length);
        out.putInt(space.length).put(space).putInt(msix.table().length).put(msix.table());
        config.write(out.putInt(pending.length).put(pending).array());
    }

    /** Leaves all as it is. */
    public void freeze() {
        frozen = true;
    }

    @Override
    public void close() {
        mapping.close();
        memory.close();
    }

    private Optional<Configuration> last() {
        return config.read().map(ByteBuffer::wrap).map(in -> {
            VfioPciConfigCopy space = VfioPciConfigCopy.of(bytes(in));
            return new Configuration(space, new VfioMsixCopy(bytes(in), BitSet.valueOf(bytes(in))));
        });
    }

    private static byte[] bytes(ByteBuffer in) {
        byte[] bytes = new byte[in.getInt()];
        in.get(bytes);
        return bytes;
    }

    /** How much memory it takes with a function that needs so much. */
    public static long sizeBytes(long functionBytes) {
        return StateJournal.sizeBytes(CAPACITY) + functionBytes + TAIL_BYTES;
    }
}
