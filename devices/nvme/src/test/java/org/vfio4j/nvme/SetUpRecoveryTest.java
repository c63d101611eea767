package org.vfio4j.nvme;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;
import static org.vfio4j.nvmedriver.NvmeDriver.*;
import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/** Controllers die while their driver sets them up, each in the place of the last one: the driver goes on as if there were one. */
class SetUpRecoveryTest {

    private static final int ENTRIES = 8;
    private static final int PAIRS = 2;
    private static final int NUMBER_OF_QUEUES = 7;
    private static final int VOLATILE_WRITE_CACHE = 6;
    private static final int ASYNC_EVENT_CONFIGURATION = 11;
    private static final int ABORTED = 0x007;

    /** How far a controller has come with a command before it dies. */
    enum Death {
        BEFORE_IT_IS_TAKEN,
        BEFORE_IT_IS_ANSWERED,
        BEFORE_THE_DRIVER_LOOKS,
        AFTER_THE_DRIVER_HAS_LOOKED
    }

    private final MemoryBackend disk = new MemoryBackend(16 << 20);
    private final GuestMemory memory = new GuestMemory(16 << 20);
    private final Mapping journal = Mapping.anonymous(1 << 20);
    private final List<Nvme> all = new ArrayList<>();
    private final List<Integer> messages = new CopyOnWriteArrayList<>();

    private Fd doorbells = Fd.none();
    private boolean mapped;
    private int threads = 1;
    private Nvme now;
    private NvmeDriver driver;
    private NvmeQueue admin;

    @AfterEach
    void close() {
        for (Nvme each : all) {
            each.function().detachDma();
            each.close();
        }
        if (isMapped()) {
            doorbells.close();
        }
        memory.close();
        disk.close();
        journal.close();
    }

    @ParameterizedTest
    @CsvSource({
        "BEFORE_IT_IS_TAKEN, 1, false",
        "BEFORE_IT_IS_ANSWERED, 1, false",
        "BEFORE_THE_DRIVER_LOOKS, 1, false",
        "AFTER_THE_DRIVER_HAS_LOOKED, 1, false",
        "BEFORE_IT_IS_TAKEN, 2, true",
        "BEFORE_IT_IS_ANSWERED, 2, true",
        "BEFORE_THE_DRIVER_LOOKS, 2, true",
        "AFTER_THE_DRIVER_HAS_LOOKED, 2, true"
    })
    void theDriverFinishesItsSetUpAndUsesTheDisk(Death death, int threads, boolean mapped) {
        this.threads = threads;
        this.mapped = mapped;
        enable();
        int event = admin.submit(new NvmeCommand(ASYNC_EVENT));
        long identity = page();
        run(death, new NvmeCommand(IDENTIFY).cdw(10, 1).prp(identity));
        assertThat(memory.get(identity + 4, 7)).isEqualTo("SET-UP1".getBytes(US_ASCII));
        run(death, feature(NUMBER_OF_QUEUES, 0x1_0001));
        run(death, feature(ASYNC_EVENT_CONFIGURATION, 1 << 8));
        NvmeQueue[] queues = new NvmeQueue[PAIRS];
        for (int i = 0; i < PAIRS; i++) {
            queues[i] = driver.queue(i + 1, ENTRIES, false);
            queues[i].ringBy((doorbell, value) -> driver.ring(doorbell, value));
            run(death, createCompletions(queues[i], i + 1));
            run(death, createSubmissions(queues[i]));
        }
        run(death, feature(VOLATILE_WRITE_CACHE, 0));
        for (int i = 0; i < 2 * ENTRIES; i++) {
            run(death, new NvmeCommand(GET_FEATURES).cdw(10, VOLATILE_WRITE_CACHE));
        }
        long page = page();
        memory.fill(page, 512, 0x6b);
        for (NvmeQueue queue : queues) {
            for (int i = 0; i < 2 * ENTRIES; i++) {
                assertThat(queue.run(NvmeCommand.io(WRITE, 1, i, 1).prp(page)).status())
                        .isZero();
            }
        }
        admin.submit(new NvmeCommand(ABORT).cdw(10, event << 16));
        assertThat(List.of(admin.await().status() & 0xff, admin.await().status() & 0xff))
                .as("an event was asked for all the time")
                .containsExactlyInAnyOrder(ABORTED, 0);
    }

    /** As a server does that is told to end, and closes its devices. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void oneThatEndsLeavesItsDriverAsItIs(boolean mapped) {
        this.mapped = mapped;
        enable();
        driver.create(admin, 1, ENTRIES, false);
        now.function().platform(FunctionJournal.class).orElseThrow().freeze();
        now.function().detachDma();
        now.close();
        all.remove(now);
        live();
        assertThat(driver.status()).isEqualTo(CSTS_RDY);
        NvmeQueue io = driver.create(admin, 2, ENTRIES, false);
        assertThat(io.run(NvmeCommand.io(READ, 1, 0, 1).prp(page())).status()).isZero();
    }

    @Test
    void shadowDoorbellsAreTheNextOnes() {
        enable();
        NvmeQueue io = driver.create(admin, 1, ENTRIES, false);
        long shadow = page();
        run(Death.BEFORE_IT_IS_ANSWERED, new NvmeCommand(DOORBELL_BUFFER).prp(shadow, page()));
        io.ringBy((doorbell, value) -> {
            RawMemory.putIntRelease(memory.host(shadow) + 4L * doorbell, value);
            // What this says does not matter, but that it is rung.
            driver.ring(doorbell, 0);
        });
        assertThat(io.run(NvmeCommand.io(READ, 1, 0, 1).prp(page())).status()).isZero();
    }

    @Test
    void oneThatWasUsedHasFailed() {
        enable();
        NvmeQueue io = driver.create(admin, 1, ENTRIES, false);
        assertThat(io.run(NvmeCommand.io(READ, 1, 0, 1).prp(page())).status()).isZero();
        next();
        assertThat(driver.status()).isEqualTo(CSTS_RDY | CSTS_CFS);
    }

    /** The doorbell is lost, so nobody would take the command. */
    @Test
    void oneWhoseIoQueueWasRungForHasFailed() {
        enable();
        NvmeQueue io = driver.create(admin, 1, ENTRIES, false);
        state().suspend();
        driver.ring(2 * io.id(), 1);
        next();
        assertThat(driver.status()).isEqualTo(CSTS_RDY | CSTS_CFS);
    }

    /** Which nobody knows how to do half of. */
    @Test
    void oneThatWasAskedToFormatHasFailed() {
        enable();
        assertThat(admin.run(new NvmeCommand(FORMAT).nsid(1)).status()).isZero();
        next();
        assertThat(driver.status()).isEqualTo(CSTS_RDY | CSTS_CFS);
    }

    @Test
    void oneThatWasResetBeginsAnew() {
        enable();
        driver.create(admin, 1, ENTRIES, false);
        driver.disable();
        next();
        assertThat(driver.status()).isZero();
        enable();
        next();
        assertThat(driver.status()).isEqualTo(CSTS_RDY);
        NvmeQueue io = driver.create(admin, 1, ENTRIES, false);
        assertThat(io.run(NvmeCommand.io(READ, 1, 0, 1).prp(page())).status()).isZero();
    }

    /** A write of CC that waits for queue threads is answered before they have done what it says. */
    @ParameterizedTest
    @CsvSource({"1, false", "2, true"})
    void oneThatWasAboutToBeEnabledIsEnabled(int threads, boolean mapped) throws InterruptedException {
        this.threads = threads;
        this.mapped = mapped;
        live();
        CountDownLatch held = new CountDownLatch(1);
        CountDownLatch letGo = new CountDownLatch(1);
        // Without threads it is done at once.
        now.threads().wakeAll();
        Thread holder = Thread.ofPlatform()
                .start(() -> now.threads().callQuiesced(() -> {
                    held.countDown();
                    await(letGo);
                }));
        held.await();
        admin = driver.queue(0, ENTRIES, false);
        driver.write(AQA, 4, (ENTRIES - 1) * 0x1_0001);
        driver.write(ASQ, 8, admin.sq());
        driver.write(ACQ, 8, admin.cq());
        driver.write(CC, 4, CC_ENABLED);
        assertThat(driver.status()).isZero();
        now.function().platform(FunctionJournal.class).orElseThrow().freeze();
        letGo.countDown();
        holder.join();
        die();
        live();
        assertThat(driver.status()).isEqualTo(CSTS_RDY);
        admin.ringBy((doorbell, value) -> driver.ring(doorbell, value));
        NvmeQueue io = driver.create(admin, 1, ENTRIES, false);
        next();
        assertThat(driver.status()).isEqualTo(CSTS_RDY);
        io.ringBy((doorbell, value) -> driver.ring(doorbell, value));
        assertThat(io.run(NvmeCommand.io(READ, 1, 0, 1).prp(page())).status()).isZero();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Runs an admin command, and the controller dies at it. */
    private void run(Death death, NvmeCommand command) {
        if (death == Death.BEFORE_IT_IS_TAKEN) {
            state().suspend();
            admin.submit(command);
            next();
        } else {
            admin.submit(command);
            NvmeDriver.await("answer", admin::isDone);
            if (death == Death.AFTER_THE_DRIVER_HAS_LOOKED) {
                assertThat(admin.await().status()).isZero();
            }
            state().suspend();
            if (death == Death.BEFORE_IT_IS_ANSWERED) {
                long phase = memory.host(admin.cq()) + 16L * admin.head() + 12;
                RawMemory.putInt(phase, RawMemory.getInt(phase) ^ 0x1_0000);
            }
            messages.clear();
            next();
            NvmeDriver.await("interrupt", () -> messages.contains(0));
        }
        assertThat(driver.status()).isEqualTo(CSTS_RDY);
        if (death != Death.AFTER_THE_DRIVER_HAS_LOOKED) {
            assertThat(admin.await().status()).isZero();
        }
    }

    private void enable() {
        if (all.isEmpty()) {
            live();
        }
        admin = driver.enable(ENTRIES);
        admin.ringBy((doorbell, value) -> driver.ring(doorbell, value));
    }

    private void next() {
        die();
        live();
    }

    /** What a process that is killed leaves: neither its memory nor its journal changes any more. */
    private void die() {
        state().suspend();
        now.function().platform(FunctionJournal.class).orElseThrow().freeze();
        now.function().detachDma();
    }

    private void live() {
        Nvme.Builder builder = Nvme.builder(NvmeIdentity.of("SET-UP1"))
                .namespace(new NamespaceOptions(disk, 512, Optional.empty()))
                .queuePairs(PAIRS)
                .threads(threads);
        if (mapped && !isMapped()) {
            builder.mappableDoorbells();
        } else if (mapped) {
            builder.mappableDoorbells(doorbells.dup());
        }
        now = builder.build();
        if (mapped && !isMapped()) {
            doorbells = now.function().barMemory(0).orElseThrow().fd().dup();
        }
        all.add(now);
        now.function().connectIrqs(new IrqSink() {
            @Override
            public void msi(int vector) {
                messages.add(vector);
            }

            @Override
            public void intx(boolean asserted) {}
        });
        now.function().attachDma(memory.space());
        driver = new NvmeDriver(now.function(), memory);
        state().suspend();
        // Configuration space is kept by whoever has the function.
        driver.setMaster(true);
        enableMsix();
        now.function().platform(FunctionJournal.class).orElseThrow().recover(journal.address());
        state().resume();
    }

    private boolean isMapped() {
        return doorbells.isOpen();
    }

    private FunctionState state() {
        return now.function().platform(FunctionState.class).orElseThrow();
    }

    private void enableMsix() {
        PciFunction function = now.function();
        int at = function.configRead(PCI_CAPABILITY_LIST, 1);
        while (function.configRead(at, 1) != PCI_CAP_ID_MSIX) {
            at = function.configRead(at + 1, 1);
        }
        function.configWrite(at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
    }

    private long page() {
        return (memory.mapped(2 * 4096) + 4095) & -4096L;
    }

    private static NvmeCommand feature(int identifier, int value) {
        return new NvmeCommand(SET_FEATURES).cdw(10, identifier).cdw(11, value);
    }
}
