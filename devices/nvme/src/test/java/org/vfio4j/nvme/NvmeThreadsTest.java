package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.testkit.ThreadUse;

/** Several queue threads of one controller, with the real admin commands, while its driver does what it likes. */
@Timeout(120)
class NvmeThreadsTest {

    private static final int PAIRS = 4;
    private static final int ENTRIES = 32;
    private static final int FORMAT_NVM = 0x80;
    private static final int NUMBER_OF_QUEUES = 7;

    /** A controller, and its driver. */
    private static final class Fixture implements AutoCloseable {

        final MemoryBackend disk = new MemoryBackend(8 << 20);
        final MemoryBackend other = new MemoryBackend(8 << 20);
        final GuestMemory memory = new GuestMemory(16 << 20);
        final Nvme nvme;
        final NvmeDriver driver;
        NvmeQueue admin;
        final List<NvmeQueue> io = new ArrayList<>();

        Fixture(int threads, QueuePolling polling) {
            nvme = Nvme.builder(NvmeIdentity.of("THREADS-1"))
                    .name("threads")
                    .namespace(new NamespaceOptions(disk, 512, Optional.empty()))
                    .namespace(new NamespaceOptions(other, 512, Optional.empty()))
                    .queuePairs(PAIRS)
                    .threads(threads)
                    .poll(polling)
                    .build();
            driver = new NvmeDriver(nvme.function(), memory);
            nvme.function().attachDma(memory.space());
            admin = driver.queue(0, 2, false);
        }

        void start() {
            admin = driver.enable(32);
            io.clear();
            for (int i = 1; i <= PAIRS; i++) {
                io.add(driver.create(admin, i, ENTRIES, false));
            }
        }

        long page() {
            return (memory.mapped(8192) + 4095) & -4096L;
        }

        @Override
        public void close() {
            nvme.function().detachDma();
            nvme.close();
            memory.close();
            disk.close();
            other.close();
        }
    }

    @ParameterizedTest
    @CsvSource({"2, 0", "4, 0", "3, 50000"})
    void everyQueueIsServedByItsThread(int threads, long spinNs) {
        try (Fixture fixture = new Fixture(threads, new QueuePolling(spinNs, 5_000_000_000L))) {
            fixture.start();
            long page = fixture.page();
            for (NvmeQueue queue : fixture.io) {
                fixture.memory.fill(page, 4096, queue.id());
                assertThat(queue.run(NvmeCommand.io(WRITE, 1, 8 * queue.id(), 8).prp(page))
                                .status())
                        .isZero();
                fixture.memory.fill(page, 4096, 0);
                assertThat(queue.run(NvmeCommand.io(READ, 1, 8 * queue.id(), 8).prp(page))
                                .status())
                        .isZero();
                assertThat(fixture.memory.get(page, 4096)).containsOnly(queue.id());
            }
            for (int i = 0; i < threads; i++) {
                ThreadUse.threadNamed("threads-" + i);
            }
            List<QueueSnapshot> queues = fixture.nvme
                    .function()
                    .platform(DeviceStatistics.class)
                    .orElseThrow()
                    .queues();
            assertThat(queues).extracting(QueueSnapshot::queue).containsExactly(0, 1, 2, 3, 4);
            assertThat(queues.subList(1, 5)).allSatisfy(queue -> {
                assertThat(queue.reads()).isEqualTo(1);
                assertThat(queue.writes()).isEqualTo(1);
                assertThat(queue.notifications()).isEqualTo(2);
                assertThat(queue.inFlight()).isZero();
            });
        }
    }

    /** Queues that share a completion queue are one thread's, whatever their numbers. */
    @Test
    void submissionQueuesGoWithTheirCompletionQueue() {
        try (Fixture fixture = new Fixture(2, QueuePolling.ADAPTIVE)) {
            fixture.admin = fixture.driver.enable(32);
            NvmeQueue first = fixture.driver.create(fixture.admin, 1, ENTRIES, false);
            NvmeQueue second = fixture.driver.queue(2, ENTRIES, false);
            NvmeCommand shared = NvmeDriver.createSubmissions(second).cdw(11, 1 | (1 << 16));
            assertThat(fixture.admin.run(shared).status()).isZero();
            long page = fixture.page();
            for (int i = 0; i < 200; i++) {
                int a = first.submit(NvmeCommand.io(READ, 1, i, 1).prp(page));
                int b = second.submit(NvmeCommand.io(READ, 1, i, 1).prp(page));
                NvmeCompletion one = first.await();
                NvmeCompletion two = first.await();
                assertThat(List.of(one.sqid(), two.sqid())).containsExactlyInAnyOrder(1, 2);
                assertThat(one.sqid() == 1 ? one.cid() : two.cid()).isEqualTo(a);
                assertThat(one.sqid() == 2 ? one.cid() : two.cid()).isEqualTo(b);
            }
        }
    }

    /** One queue after the other is deleted and created, features are set, and a namespace is formatted, while the others work. */
    @ParameterizedTest
    @CsvSource({"1", "2", "3"})
    void adminCommandsDoNotDisturbOtherQueues(int threads) throws InterruptedException {
        try (Fixture fixture = new Fixture(threads, QueuePolling.ADAPTIVE)) {
            fixture.start();
            AtomicReference<Throwable> failure = new AtomicReference<>();
            boolean[] stop = {false};
            List<Thread> clients = new ArrayList<>();
            Object registers = new Object();
            for (NvmeQueue queue : fixture.io.subList(0, PAIRS - 1)) {
                queue.ringBy((index, value) -> {
                    synchronized (registers) {
                        fixture.driver.ring(index, value);
                    }
                });
                long page = fixture.page();
                clients.add(Thread.ofPlatform().start(() -> {
                    try {
                        load(queue, page, stop);
                    } catch (Throwable t) {
                        failure.set(t);
                    }
                }));
            }
            fixture.admin.ringBy((index, value) -> {
                synchronized (registers) {
                    fixture.driver.ring(index, value);
                }
            });
            for (int i = 0; i < 150; i++) {
                assertThat(fixture.admin
                                .run(new NvmeCommand(DELETE_SQ).cdw(10, PAIRS))
                                .status())
                        .isZero();
                assertThat(fixture.admin
                                .run(new NvmeCommand(DELETE_CQ).cdw(10, PAIRS))
                                .status())
                        .isZero();
                assertThat(fixture.admin
                                .run(new NvmeCommand(SET_FEATURES).cdw(10, 6).cdw(11, i & 1))
                                .status())
                        .isZero();
                if (i % 50 == 0) {
                    assertThat(fixture.admin
                                    .run(new NvmeCommand(FORMAT_NVM).nsid(2))
                                    .status())
                            .isZero();
                }
                NvmeQueue last = fixture.driver.queue(PAIRS, ENTRIES, false);
                assertThat(fixture.admin
                                .run(NvmeDriver.createCompletions(last, 1))
                                .status())
                        .isZero();
                assertThat(fixture.admin.run(NvmeDriver.createSubmissions(last)).status())
                        .isZero();
            }
            synchronized (stop) {
                stop[0] = true;
            }
            for (Thread client : clients) {
                client.join();
            }
            assertThat(failure.get()).isNull();
            assertThat(fixture.driver.status()).isEqualTo(NvmeDriver.CSTS_RDY);
        }
    }

    /** The same number goes from one thread to the other, each time with the next completion queue. */
    @Test
    void aSubmissionQueueGoesFromThreadToThread() {
        try (Fixture fixture = new Fixture(2, QueuePolling.ADAPTIVE)) {
            fixture.admin = fixture.driver.enable(32);
            NvmeQueue[] completions = {
                fixture.driver.create(fixture.admin, 1, ENTRIES, false),
                fixture.driver.create(fixture.admin, 2, ENTRIES, false)
            };
            long page = fixture.page();
            for (int round = 0; round < 300; round++) {
                NvmeQueue used = completions[round % 2];
                NvmeQueue moving = fixture.driver.queue(PAIRS, 4, false);
                NvmeCommand create = NvmeDriver.createSubmissions(moving).cdw(11, 1 | (used.id() << 16));
                assertThat(fixture.admin.run(create).status()).isZero();
                int cid = moving.submit(NvmeCommand.io(READ, 1, round, 1).prp(page));
                NvmeCompletion done = used.await();
                assertThat(done.sqid()).isEqualTo(PAIRS);
                assertThat(done.cid()).isEqualTo(cid);
                assertThat(fixture.admin
                                .run(new NvmeCommand(DELETE_SQ).cdw(10, PAIRS))
                                .status())
                        .isZero();
            }
        }
    }

    @Test
    void aResetUnderLoadLeavesNothingBehind() {
        try (Fixture fixture = new Fixture(3, QueuePolling.ADAPTIVE)) {
            Random random = new Random(5);
            for (int round = 0; round < 40; round++) {
                fixture.start();
                long page = fixture.page();
                for (NvmeQueue queue : fixture.io) {
                    for (int i = 0; i < ENTRIES - 1; i++) {
                        queue.put(
                                NvmeCommand.io(READ, 1, random.nextInt(1000), 8).prp(page));
                    }
                    queue.ring();
                }
                // Also one whose turn among all threads is still to come.
                fixture.admin.submit(new NvmeCommand(DELETE_SQ).cdw(10, 1 + random.nextInt(PAIRS)));
                switch (round % 3) {
                    case 0 -> fixture.nvme.function().reset();
                    case 1 -> fixture.driver.disable();
                    default -> {
                        fixture.nvme.function().detachDma();
                        fixture.nvme.function().attachDma(fixture.memory.space());
                    }
                }
            }
            fixture.start();
            assertThat(fixture.io
                            .getLast()
                            .run(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.page()))
                            .status())
                    .isZero();
            assertThat(fixture.nvme
                            .function()
                            .platform(DeviceStatistics.class)
                            .orElseThrow()
                            .queues())
                    .allSatisfy(queue -> assertThat(queue.inFlight()).isZero());
        }
    }

    /** Base 5.27.1.5: queues beyond the number that was given cannot be created, until a reset. */
    @Test
    void numberOfQueuesHolds() {
        try (Fixture fixture = new Fixture(2, QueuePolling.ADAPTIVE)) {
            fixture.admin = fixture.driver.enable(32);
            NvmeCompletion given = fixture.admin.run(
                    new NvmeCommand(SET_FEATURES).cdw(10, NUMBER_OF_QUEUES).cdw(11, 1 | (2 << 16)));
            assertThat(given.dw0()).isEqualTo(1 | (2 << 16));
            NvmeQueue third = fixture.driver.queue(3, ENTRIES, false);
            NvmeQueue fourth = fixture.driver.queue(4, ENTRIES, false);
            assertThat(fixture.admin
                            .run(NvmeDriver.createCompletions(fourth, 1))
                            .code())
                    .isEqualTo(0x101);
            assertThat(fixture.admin.run(NvmeDriver.createCompletions(third, 1)).status())
                    .isZero();
            assertThat(fixture.admin.run(NvmeDriver.createSubmissions(third)).code())
                    .isEqualTo(0x101);
            fixture.start();
        }
    }

    @Test
    void refusesThreadsThatMakeNoSense() {
        try (MemoryBackend disk = new MemoryBackend(1 << 20)) {
            Nvme.Builder builder = Nvme.builder(NvmeIdentity.of("X"))
                    .namespace(new NamespaceOptions(disk, 512, Optional.empty()))
                    .queuePairs(2);
            assertThatThrownBy(() -> builder.threads(0)).hasMessageContaining("1 and 64");
            assertThatThrownBy(() -> builder.threads(3).build()).hasMessageContaining("3 threads for 2 queue pairs");
            assertThatThrownBy(() -> builder.threads(1).limits(-1, 0).build())
                    .isInstanceOf(ErrnoException.class)
                    .hasMessageContaining("EINVAL");
        }
    }

    private static void load(NvmeQueue queue, long page, boolean[] stop) {
        Random random = new Random(queue.id());
        int under = 0;
        boolean stopping = false;
        while (!stopping || under > 0) {
            synchronized (stop) {
                stopping = stop[0];
            }
            while (!stopping && under < ENTRIES - 1) {
                queue.submit(NvmeCommand.io(random.nextBoolean() ? READ : WRITE, 1, random.nextInt(1000), 4)
                        .prp(page));
                under++;
            }
            assertThat(queue.await().status()).isZero();
            under--;
        }
    }
}
