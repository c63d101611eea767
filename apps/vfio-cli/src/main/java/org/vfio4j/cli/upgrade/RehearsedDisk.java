package org.vfio4j.cli.upgrade;

import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.nio.file.Path;
import java.util.List;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/**
 * A disk of a {@link Rehearsal}.
 *
 * @param words as they are behind {@code vfio serve}
 */
record RehearsedDisk(PciAddress address, List<String> words, Path socket) {

    private static final int BLOCK_BYTES = 4096;
    private static final int TAG = 0;
    private static final long WAIT_NS = 100_000_000;
    private static final int WAITS = 20;

    RehearsedDisk(String address, String kind, String storage, Path socket) {
        this(PciAddress.parse(address), List.of(kind, storage), socket);
    }

    /** Begins to use it, while it is served. */
    Guest open() {
        VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
        try {
            DiskDriver driver = words.contains("nvme")
                    ? NvmeDriver.open(client, NvmeOptions.DEFAULTS.withBufferBytes(BLOCK_BYTES))
                    : VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS.withBufferBytes(BLOCK_BYTES));
            return new Guest(client, driver, driver.memory().allocate(BLOCK_BYTES, BLOCK_BYTES));
        } catch (RuntimeException e) {
            client.close();
            throw e;
        }
    }

    /** Who uses it, and goes on doing so while it goes from one machine to the next. */
    record Guest(VfioUserClient client, DiskDriver driver, long buffer) implements AutoCloseable {

        /** Writes its first block and reads it. */
        void use() {
            DiskQueue queue = driver.queue(0);
            queue.write(0, buffer, BLOCK_BYTES, TAG);
            complete(queue);
            queue.read(0, buffer, BLOCK_BYTES, TAG);
            complete(queue);
        }

        private static void complete(DiskQueue queue) {
            queue.kick();
            for (int waits = WAITS; waits > 0 && queue.inFlight() > 0; waits--) {
                queue.await(WAIT_NS);
                queue.poll(Guest::check);
            }
            if (queue.inFlight() > 0) {
                throw new ErrnoException(ETIMEDOUT, "use a disk in a rehearsal");
            }
        }

        private static void check(int tag, int result) {
            if (result != 0) {
                throw new ErrnoException(EIO, "use a disk in a rehearsal: " + result);
            }
        }

        @Override
        public void close() {
            try (client) {
                driver.close();
            }
        }
    }
}
