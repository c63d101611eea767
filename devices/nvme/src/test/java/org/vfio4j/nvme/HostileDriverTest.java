package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.READ;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.RawMemory;

/** A driver of ill will: whatever it writes, the controller answers or stops, nobody else notices, and a reset brings it back. */
class HostileDriverTest {

    private static final int ROUNDS = 400;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void randomCommandsAreAnswered(long seed) {
        Random random = new Random(seed);
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            long lists = fixture.pages(8);
            for (int round = 0; round < ROUNDS; round++) {
                scribble(fixture, random, lists);
                int commands = 1 + random.nextInt(20);
                for (int i = 0; i < commands; i++) {
                    fixture.io.put(command(random, fixture, lists));
                }
                fixture.io.ring();
                for (int i = 0; i < commands; i++) {
                    fixture.io.await();
                }
                if (random.nextInt(8) == 0) {
                    NvmeCommand admin = command(random, fixture, lists);
                    // Deleting the queue at hand is its right, too; but this test goes on with it.
                    admin.cdw(10, 0x00ff_0002 + random.nextInt());
                    fixture.admin.submit(admin);
                }
            }
            restart(fixture);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13, 14})
    void randomRegistersAndDoorbellsAreSurvived(long seed) {
        Random random = new Random(seed);
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            long lists = fixture.pages(8);
            for (int round = 0; round < ROUNDS; round++) {
                scribble(fixture, random, lists);
                fixture.io.put(command(random, fixture, lists));
                int width = 1 << random.nextInt(4);
                boolean doorbell = random.nextInt(4) != 0;
                int offset = (doorbell ? 0x1000 + random.nextInt(0x30) : random.nextInt(0x48)) & -width;
                fixture.driver.write(offset, width, random.nextBoolean() ? random.nextInt(70) : random.nextLong());
            }
            restart(fixture);
        }
    }

    @Test
    void aQueueThatLapsItselfIsHarmless() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            // The tail goes backwards: the whole queue but one is to be executed, over and over.
            for (int i = 0; i < 100; i++) {
                fixture.driver.ring(2, (63 * i + 5) % 64);
                fixture.driver.ring(3, i % 64);
            }
            restart(fixture);
        }
    }

    /** Requests that are held and aborted leave two completions each: the controller takes no more than it can tell of. */
    @Test
    void heldCompletionsDoNotPileUp() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            int waits = 0;
            for (int round = 0; round < 300; round++) {
                for (int i = 0; i < 8; i++) {
                    int cid = fixture.admin.put(new NvmeCommand(NvmeCommand.ASYNC_EVENT));
                    fixture.admin.put(new NvmeCommand(NvmeCommand.ABORT).cdw(10, cid << 16));
                }
                fixture.admin.ring();
                // Of 16 completions half are consumed, and the same again for those that wait.
                for (int i = 0; i < 16; i++) {
                    fixture.admin.await();
                }
                waits = Math.max(waits, fixture.nvme.controller().heldCompletions().size());
            }
            assertThat(waits).isLessThanOrEqualTo(1);
            restart(fixture);
        }
    }

    private static void restart(NvmeFixture fixture) {
        fixture.nvme.function().reset();
        NvmeQueue admin = fixture.driver.enable(32);
        NvmeQueue io = fixture.driver.create(admin, 1, 8, false);
        long page = fixture.pages(1);
        assertThat(io.run(NvmeCommand.io(READ, 1, 0, 8).prp(page)).status()).isZero();
        NvmeDriver.await("ready", () -> fixture.driver.status() == NvmeDriver.CSTS_RDY);
    }

    /** Some of the driver's own memory is what lists are made of. */
    private static void scribble(NvmeFixture fixture, Random random, long lists) {
        for (int i = 0; i < 64; i++) {
            long at = fixture.memory.host(lists + 8L * random.nextInt(4096));
            RawMemory.putLong(at, address(random, fixture, lists));
        }
    }

    private static long address(Random random, NvmeFixture fixture, long lists) {
        return switch (random.nextInt(6)) {
            case 0 -> random.nextLong();
            case 1 -> lists + random.nextInt(8 * 4096);
            case 2 -> fixture.memory.end() - random.nextInt(8192);
            case 3 -> NvmeCommand.sglRest(random.nextInt(8192), random.nextInt(0x40));
            case 4 -> NvmeCommand.sglRest(16 * random.nextInt(64), 0x20 + 0x10 * random.nextInt(2));
            // Where the data are, which are nobody else's.
            default -> lists + 4096L * random.nextInt(8);
        };
    }

    private static NvmeCommand command(Random random, NvmeFixture fixture, long lists) {
        NvmeCommand command = new NvmeCommand(random.nextInt(3) == 0 ? random.nextInt(256) : random.nextInt(0x20));
        command.nsid(random.nextInt(4) == 0 ? random.nextInt() : 1)
                .prp(address(random, fixture, lists), address(random, fixture, lists))
                .slba(random.nextInt(4) == 0 ? random.nextLong() : random.nextInt(40_000));
        for (int dword = 12; dword < 16; dword++) {
            command.cdw(dword, random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(64));
        }
        return random.nextBoolean() ? command.flags(random.nextInt(4) << 14) : command;
    }
}
