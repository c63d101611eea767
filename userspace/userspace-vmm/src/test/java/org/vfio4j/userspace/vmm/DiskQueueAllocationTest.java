package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.userspace.disk.Completion;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.disk.DiskQueue;

/** A user of both kinds of disks, who does not know which is which, has nothing allocated for a request: submitted, run and completed. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class DiskQueueAllocationTest {

    private static final long DISK_BYTES = 1 << 20;
    private static final int BLOCK = 4096;
    private static final int REQUESTS = 100;

    /** What asking for it may leave: far less than the smallest object for each request. */
    private static final long MOST_BYTES = 4L * REQUESTS;

    /** Until what runs in the beginning is compiled, it may allocate. */
    private static final int ROUNDS = 500;

    private int completed;
    private int failed;
    private final Completion completion = (tag, result) -> {
        completed++;
        failed += result == 0 ? 0 : 1;
    };

    @Test
    void nothingIsAllocatedForARequestToEither() {
        try (MemoryBackend one = new MemoryBackend(DISK_BYTES);
                MemoryBackend other = new MemoryBackend(DISK_BYTES);
                Host virtio = new Host(one);
                Host nvme = new Host(other, true);
                User user = new User(virtio);
                User another = new User(nvme)) {
            long least = Long.MAX_VALUE;
            for (int round = 0; round < ROUNDS && least >= MOST_BYTES; round++) {
                least = Math.min(least, run(user.queue) + run(another.queue));
            }
            assertThat(failed).isZero();
            assertThat(least).as("bytes for %d requests to each", REQUESTS).isLessThan(MOST_BYTES);
            assertThat(virtio.writes()).isPositive().isEqualTo(nvme.writes());
        }
    }

    /** Half of them write. Returns what was allocated. */
    private long run(DiskQueue queue) {
        Thread self = Thread.currentThread();
        long before = ThreadUse.allocatedBytes(self);
        completed = 0;
        for (int i = 0; i < REQUESTS; i++) {
            long at = (long) i * BLOCK;
            boolean taken = i % 2 == 0 ? queue.read(at, at, BLOCK, i) : queue.write(at, at, BLOCK, i);
            failed += taken ? 0 : 1;
        }
        queue.kick();
        while (completed < REQUESTS) {
            if (queue.poll(completion) == 0) {
                queue.await(1_000_000);
            }
        }
        return ThreadUse.allocatedBytes(self) - before;
    }

    /** A process that uses a served disk. */
    private static final class User implements AutoCloseable {

        final DiskQueue queue;
        private final GuestDevice device;
        private final GuestMemory memory;
        private final DiskDriver driver;

        User(Host host) {
            device = host.connect();
            memory = GuestMemory.create(List.of(new GuestMemory.Range(Host.IOVA, Host.MEMORY_BYTES)));
            memory.mapFor(device);
            driver = GuestDiskKind.of(device).open(device, memory.dma(0));
            queue = driver.queue(0);
        }

        @Override
        public void close() {
            driver.close();
            device.close();
            memory.close();
        }
    }
}
