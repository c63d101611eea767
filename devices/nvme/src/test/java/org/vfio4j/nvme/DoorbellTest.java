package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.DOORBELL_BUFFER;
import static org.vfio4j.nvmedriver.NvmeCommand.READ;

import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.sys.Seals;
import org.vfio4j.testkit.ThreadUse;

/** The three ways of a doorbell: trapped, mapped (ADR 0019), and in shadow buffers (NVM Express Base 2.0, 5.8). */
class DoorbellTest {

    private static final int COMMANDS = 500;

    /** Awake for 5 ms after the last command: while commands come one by one, also on a busy machine. */
    private static final QueuePolling SOON_ASLEEP = new QueuePolling(5_000_000, 5_000_000_000L);

    @Test
    void withoutBeingAskedNothingIsMappable() {
        try (NvmeFixture fixture = new NvmeFixture()) {
            assertThat(fixture.nvme.function().barMemory(0)).isEmpty();
        }
    }

    @Test
    void mappedDoorbellsNeedNoTrap() {
        try (NvmeFixture fixture =
                fixture(builder -> builder.mappableDoorbells().poll(QueuePolling.ALWAYS))) {
            exercise(fixture, 0);
        }
    }

    @Test
    void mappedDoorbellsAreFoundByAThreadThatSleeps() throws InterruptedException {
        try (NvmeFixture fixture = fixture(UnaryOperator.identity())) {
            exercise(fixture, 3);
        }
        try (NvmeFixture fixture = fixture(builder -> builder.name("napping").mappableDoorbells())) {
            exercise(fixture, 3);
            Thread thread = ThreadUse.threadNamed("napping");
            long before = ThreadUse.cpuNs(thread);
            Thread.sleep(500);
            // 500 looks, and far less than a tenth of a processor.
            assertThat(ThreadUse.cpuNs(thread) - before).isLessThan(50_000_000);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void shadowDoorbellsSaveTraps(boolean always) throws InterruptedException {
        try (NvmeFixture fixture = fixture(builder -> builder.poll(always ? QueuePolling.ALWAYS : SOON_ASLEEP))) {
            // With INTx each interrupt is ended by a trap.
            fixture.enableMsix();
            fixture.start();
            long shadow = fixture.pages(1);
            long events = fixture.pages(1);
            fixture.memory.fill(shadow, 4096, 0xff);
            assertThat(fixture.admin
                            .run(new NvmeCommand(DOORBELL_BUFFER).prp(shadow, events))
                            .status())
                    .isZero();
            assertThat(int32(fixture, shadow + 8))
                    .as("shadow of what was there")
                    .isZero();
            fixture.io.ringBy((doorbell, value) -> fixture.ringByShadow(shadow, events, doorbell, value));
            long before = fixture.nvme.counters().doorbells();
            run(fixture, fixture.io, COMMANDS);
            assertThat(fixture.nvme.counters().doorbells() - before).isLessThan(COMMANDS);
            Thread.sleep(20);
            // Asleep or not, the next is found.
            run(fixture, fixture.io, 1);
            // A queue that is created now has its shadow too.
            NvmeQueue second = fixture.driver.create(fixture.admin, 2, 16, false);
            second.ringBy((doorbell, value) -> fixture.ringByShadow(shadow, events, doorbell, value));
            run(fixture, second, 50);
            Thread.sleep(20);
            run(fixture, second, 1);
        }
    }

    @Test
    void shadowDoorbellsMustBePagesOfMappedMemory() {
        try (NvmeFixture fixture = fixture(UnaryOperator.identity())) {
            fixture.start();
            long page = fixture.pages(1);
            assertThat(configure(fixture, page + 8, page)).isEqualTo(0x002);
            assertThat(configure(fixture, page, page + 4)).isEqualTo(0x002);
            assertThat(configure(fixture, page, 0x7777_0000_0000L)).isEqualTo(0x002);
            assertThat(configure(fixture, fixture.remotePages(1), page)).isEqualTo(0x002);
            run(fixture, fixture.io, 10);
        }
    }

    /** Nobody tells the thread of a doorbell in the page, nor of memory that has come since. */
    @Test
    void ringsThatAreMappedAfterTheirDoorbellWasWrittenAreFound() throws InterruptedException {
        try (NvmeFixture fixture = fixture(Nvme.Builder::mappableDoorbells).start()) {
            BarMemory memory = fixture.nvme.function().barMemory(0).orElseThrow();
            try (Mapping page = Mapping.shared(
                    memory.fd(), memory.offset() + 0x1000, 0x1000, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
                fixture.io.ringBy((doorbell, value) -> RawMemory.putIntRelease(page.address() + 4L * doorbell, value));
                run(fixture, fixture.io, 1);
                long data = fixture.pages(1);
                fixture.memory.unmapFirstHalf();
                fixture.io.submit(NvmeCommand.io(NvmeSpec.READ, 1, 0, 1).prp(data));
                Thread.sleep(50);
                fixture.memory.mapFirstHalf();
                assertThat(fixture.io.await().code()).isZero();
            }
        }
    }

    @Test
    void theMappedPageCannotShrink() {
        try (NvmeFixture fixture = fixture(Nvme.Builder::mappableDoorbells)) {
            BarMemory memory = fixture.nvme.function().barMemory(0).orElseThrow();
            assertThat(memory.areas()).containsExactly(new BarMemory.Area(0x1000, 0x1000));
            assertThat(Seals.get(memory.fd()) & Seals.F_SEAL_SHRINK).isNotZero();
        }
    }

    private static int configure(NvmeFixture fixture, long shadow, long events) {
        return fixture.admin
                .run(new NvmeCommand(DOORBELL_BUFFER).prp(shadow, events))
                .code();
    }

    private static NvmeFixture fixture(UnaryOperator<Nvme.Builder> options) {
        return new NvmeFixture(new MemoryBackend(NvmeFixture.DISK_BYTES), options);
    }

    /** I/O by the page, if it can be mapped; pauses let the thread fall asleep in between. */
    private static void exercise(NvmeFixture fixture, int pauses) {
        fixture.start();
        var memory = fixture.nvme.function().barMemory(0);
        if (memory.isEmpty()) {
            run(fixture, fixture.io, COMMANDS);
            return;
        }
        try (Mapping page = Mapping.shared(
                memory.get().fd(), memory.get().offset() + 0x1000, 0x1000, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            fixture.io.ringBy((doorbell, value) -> RawMemory.putIntRelease(page.address() + 4L * doorbell, value));
            long before = fixture.nvme.counters().doorbells();
            run(fixture, fixture.io, COMMANDS);
            for (int i = 0; i < pauses; i++) {
                LockSupport.parkNanos(5_000_000);
                run(fixture, fixture.io, 2);
            }
            assertThat(fixture.nvme.counters().doorbells()).isEqualTo(before);
        }
    }

    private static int int32(NvmeFixture fixture, long at) {
        return RawMemory.getInt(fixture.memory.host(at));
    }

    private static void run(NvmeFixture fixture, NvmeQueue queue, int commands) {
        long page = fixture.pages(1);
        for (int i = 0; i < commands; i++) {
            assertThat(queue.run(NvmeCommand.io(READ, 1, i, 1).prp(page)).status())
                    .isZero();
        }
    }
}
