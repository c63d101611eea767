package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.READ;
import static org.vfio4j.nvmedriver.NvmeCommand.WRITE;

import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.testkit.ThreadUse;

/** Once warm, commands allocate nothing on the queue thread. */
class NvmeAllocationTest {

    private static final int COMMANDS = 50_000;

    /**
     * What the runtime itself may take now and then, as for a compiled method's metadata, on a busy machine too: less than a byte a
     * command, and the smallest object has 16.
     */
    private static final long NOISE_BYTES = 32 << 10;

    @Test
    void commandsAllocateNothing() {
        try (NvmeFixture fixture = new NvmeFixture(
                new MemoryBackend(NvmeFixture.DISK_BYTES),
                // On a machine that is busy some take long, and each of those is an event.
                builder -> builder.name("counted").poll(QueuePolling.ALWAYS).slowNs(Long.MAX_VALUE))) {
            fixture.start();
            NvmeCommand[] commands = {
                NvmeCommand.io(READ, 1, 8, 8).prp(fixture.pages(1)),
                NvmeCommand.io(WRITE, 1, 16, 16).prp(fixture.pages(1), fixture.pages(1)),
                NvmeCommand.io(READ, 1, 8, 8).sgl(fixture.pages(1), 4096, 0),
                new NvmeCommand(NvmeCommand.FLUSH).nsid(1)
            };
            runMany(fixture, commands);
            Thread thread = ThreadUse.threadNamed("counted");
            long before = ThreadUse.allocatedBytes(thread);
            runMany(fixture, commands);
            assertThat(ThreadUse.allocatedBytes(thread) - before).isLessThan(NOISE_BYTES);
            assertThat(fixture.nvme.counters().slow()).isZero();
            assertThat(fixture.nvme.counters().errors()).isZero();
        }
    }

    private static void runMany(NvmeFixture fixture, NvmeCommand[] commands) {
        for (int i = 0; i < COMMANDS; i++) {
            fixture.io.run(commands[i % commands.length]);
        }
    }
}
