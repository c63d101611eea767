package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.GuestMemory;

/** A controller with the real admin commands stops, and another one with the same storage and driver goes on. */
class FunctionStateTest {

    private static final int VOLATILE_WRITE_CACHE = 6;

    @Test
    void anotherControllerGoesOn() {
        try (BlockBackend disk = new MemoryBackend(16 << 20);
                GuestMemory memory = new GuestMemory(16 << 20);
                Nvme source = controller(disk, 4);
                Nvme target = controller(disk, 4)) {
            Routes routes = new Routes(source, memory);
            NvmeQueue admin = routes.driver.enable(32);
            NvmeQueue io = routes.driver.create(admin, 2, 16, false);
            long page = (memory.mapped(8192) + 4095) & -4096L;
            memory.fill(page, 4096, 0x6b);
            admin.ringBy(routes::ring);
            io.ringBy(routes::ring);
            for (int i = 0; i < 21; i++) {
                assertThat(io.run(NvmeCommand.io(WRITE, 1, i, 8).prp(page)).status())
                        .isZero();
            }
            int event = admin.submit(new NvmeCommand(ASYNC_EVENT));
            assertThat(admin.run(new NvmeCommand(SET_FEATURES).cdw(10, VOLATILE_WRITE_CACHE))
                            .status())
                    .isZero();

            state(source).suspend();
            // Rung while it stands still: the other one finds it.
            int waiting = io.submit(NvmeCommand.io(READ, 1, 0, 8).prp(page));
            byte[] saved = state(source).save();
            assertThat(saved.length).isLessThanOrEqualTo(state(source).sizeBytes());
            assertThat(io.isDone()).isFalse();
            source.function().detachDma();

            target.function().attachDma(memory.space());
            state(target).suspend();
            state(target).load(saved);
            assertSame(state(target).save(), saved, 4);
            routes.use(target);
            routes.driver.setMaster(true);
            memory.fill(page, 4096, 0);
            assertThat(io.isDone()).isFalse();
            state(target).resume();
            assertThat(io.await().cid()).isEqualTo(waiting);
            assertThat(memory.get(page, 4096)).containsOnly(0x6b);
            for (int i = 0; i < 40; i++) {
                assertThat(io.run(NvmeCommand.io(READ, 1, i, 1).prp(page)).status())
                        .isZero();
            }
            assertThat(admin.run(new NvmeCommand(GET_FEATURES).cdw(10, VOLATILE_WRITE_CACHE))
                            .dw0())
                    .as("the write cache is still off")
                    .isZero();
            admin.submit(new NvmeCommand(ABORT).cdw(10, event << 16));
            NvmeCompletion first = admin.await();
            NvmeCompletion second = admin.await();
            assertThat(first.cid() == event ? first.code() : second.code())
                    .as("held")
                    .isEqualTo(0x007);
            target.function().detachDma();
        }
    }

    /** A command that was aborted before it was taken has had its answer, and the other controller gives none. */
    @Test
    void whatWasAbortedInItsQueueStaysSo() {
        try (BlockBackend disk = new MemoryBackend(16 << 20);
                GuestMemory memory = new GuestMemory(16 << 20);
                Nvme source = controller(disk, 4);
                Nvme target = controller(disk, 4)) {
            Routes routes = new Routes(source, memory);
            NvmeQueue admin = routes.driver.enable(32);
            NvmeQueue io = routes.driver.create(admin, 1, 8, false);
            io.ringBy(routes::ring);
            long page = (memory.mapped(8192) + 4095) & -4096L;
            // A byte in a second: the first is taken, and no other.
            source.setLimits(0, 1);
            int[] cids = new int[7];
            for (int i = 0; i < cids.length; i++) {
                cids[i] = io.submit(NvmeCommand.io(READ, 1, i, 1).prp(page));
            }
            assertThat(io.await().cid()).isEqualTo(cids[0]);
            for (int i : new int[] {2, 5}) {
                assertThat(admin.run(new NvmeCommand(ABORT).cdw(10, 1 | (cids[i] << 16)))
                                .dw0())
                        .isZero();
                assertThat(io.await().code()).isEqualTo(0x007);
            }
            state(source).suspend();
            byte[] saved = state(source).save();
            source.function().detachDma();

            target.function().attachDma(memory.space());
            state(target).suspend();
            state(target).load(saved);
            assertSame(state(target).save(), saved, 4);
            routes.use(target);
            routes.driver.setMaster(true);
            state(target).resume();
            for (int i : new int[] {1, 3, 4, 6}) {
                NvmeCompletion done = io.await();
                assertThat(done.cid()).isEqualTo(cids[i]);
                assertThat(done.code()).isZero();
            }
            assertThat(io.run(NvmeCommand.io(READ, 1, 0, 1).prp(page)).code()).isZero();
            target.function().detachDma();
        }
    }

    @Test
    void suspendedNothingHappensAndResumedItGoesOn() throws InterruptedException {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            state(fixture.nvme).suspend();
            state(fixture.nvme).suspend();
            fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
            Thread.sleep(10);
            assertThat(fixture.io.isDone()).isFalse();
            state(fixture.nvme).resume();
            assertThat(fixture.io.await().status()).isZero();
            state(fixture.nvme).suspend();
            fixture.nvme.function().reset();
            fixture.start();
            assertThat(fixture.io(READ, 0, 1, fixture.pages(1), 0).status()).isZero();
        }
    }

    @Test
    void refusesWhatIsNoState() {
        try (BlockBackend disk = new MemoryBackend(16 << 20);
                Nvme source = controller(disk, 4);
                Nvme target = controller(disk, 4);
                Nvme other = controller(disk, 5)) {
            assertThatThrownBy(() -> state(source).save()).hasMessageContaining("EBUSY");
            state(source).suspend();
            state(target).suspend();
            state(other).suspend();
            byte[] saved = state(source).save();
            byte[] before = state(target).save();
            assertThatThrownBy(() -> state(other).load(saved))
                    .hasMessageContaining("4 queue pairs, the controller has 5");
            for (int length = 0; length < saved.length; length++) {
                byte[] cut = Arrays.copyOf(saved, length);
                assertThatThrownBy(() -> state(target).load(cut)).isInstanceOf(ErrnoException.class);
            }
            Random random = new Random(7);
            for (int i = 0; i < 2000; i++) {
                byte[] damaged = saved.clone();
                damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
                try {
                    state(target).load(damaged);
                } catch (ErrnoException e) {
                    assertThat(e).hasMessageContaining("EINVAL");
                }
                state(target).load(before);
            }
            assertSame(state(target).save(), before, 4);
        }
    }

    /** All but the admin commands' part, where clocks go on. */
    private static void assertSame(byte[] now, byte[] before, int queuePairs) {
        NvmeState left = NvmeState.parse(now, queuePairs);
        NvmeState right = NvmeState.parse(before, queuePairs);
        assertThat(now).hasSameSizeAs(before);
        assertThat(left.cc()).isEqualTo(right.cc());
        assertThat(left.csts()).isEqualTo(right.csts());
        assertThat(left.completions()).isEqualTo(right.completions());
        assertThat(left.submissions()).isEqualTo(right.submissions());
        assertThat(left.held()).isEqualTo(right.held());
    }

    private static Nvme controller(BlockBackend disk, int queuePairs) {
        return Nvme.builder(NvmeIdentity.of("STATE-1"))
                .namespace(new NamespaceOptions(disk, 512, Optional.empty()))
                .queuePairs(queuePairs)
                .build();
    }

    private static FunctionState state(Nvme nvme) {
        return nvme.function().platform(FunctionState.class).orElseThrow();
    }

    /** Doorbells that reach whichever controller is in use. */
    private static final class Routes {

        private final GuestMemory memory;
        private NvmeDriver driver;

        Routes(Nvme nvme, GuestMemory memory) {
            this.memory = memory;
            nvme.function().attachDma(memory.space());
            driver = new NvmeDriver(nvme.function(), memory);
        }

        void use(Nvme nvme) {
            driver = new NvmeDriver(nvme.function(), memory);
        }

        void ring(int doorbell, int value) {
            driver.ring(doorbell, value);
        }
    }
}
