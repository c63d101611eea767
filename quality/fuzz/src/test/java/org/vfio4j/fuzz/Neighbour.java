package org.vfio4j.fuzz;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import org.vfio4j.userspace.virtioblk.VirtioBlkDisk;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** An honest user of a disk, who notices when something of his is not as it was. One thread. */
final class Neighbour implements AutoCloseable {

    private static final int BYTES = 4096;

    private final VfioUserClient client;
    private final VirtioBlkDriver driver;
    private final VirtioBlkDisk disk;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment written = arena.allocate(BYTES);
    private final MemorySegment read = arena.allocate(BYTES);
    private int round;
    private long worstNs;

    Neighbour(Path socket) {
        client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS.withSpinNs(0));
        driver = VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS);
        disk = new VirtioBlkDisk(driver, 0);
    }

    /** Writes a block and reads it back. */
    void useDisk() {
        round++;
        written.fill((byte) round);
        long at = (long) BYTES * (round % 16);
        disk.write(at, written);
        disk.read(at, read);
        if (written.mismatch(read) != -1) {
            throw new AssertionError("round " + round + ": the disk gives back something else than was written");
        }
    }

    /** How long reads of a register take: the median of {@code count}. */
    long medianReadNs(int count) {
        long[] took = new long[count];
        for (int i = 0; i < count; i++) {
            long start = System.nanoTime();
            client.read(7, 0, read, 0, 4);
            took[i] = System.nanoTime() - start;
            if (read.get(ValueLayout.JAVA_INT, 0) != 0x10421af4) {
                throw new AssertionError("the disk's ids read as " + read.get(ValueLayout.JAVA_INT, 0));
            }
        }
        Arrays.sort(took);
        worstNs = Math.max(worstNs, took[count - 1]);
        return took[count / 2];
    }

    /** The longest of all reads since this was asked last. */
    long takeWorstNs() {
        long worst = worstNs;
        worstNs = 0;
        return worst;
    }

    @Override
    public void close() {
        driver.close();
        client.close();
        arena.close();
    }
}
