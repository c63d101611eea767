package org.vfio4j.nvme;

import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_MSIX;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_ENABLE;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/** A controller with a namespace of 16 MiB in blocks of 512 bytes, and a driver that has set up queues. */
final class NvmeFixture implements AutoCloseable {

    static final long DISK_BYTES = 16 << 20;
    static final int BLOCK = 512;
    static final int QUEUE_ENTRIES = 64;
    static final int PAIRS = 4;

    final BlockBackend backend;
    final PlainHandler handler = new PlainHandler();
    final PlainNamespace namespace;
    final GuestMemory memory = new GuestMemory(16 << 20);
    final Nvme nvme;
    final NvmeDriver driver;
    final List<Integer> messages = new CopyOnWriteArrayList<>();
    volatile boolean intx;

    /** How often the pin went up. */
    final AtomicInteger intxRises = new AtomicInteger();

    NvmeQueue admin;
    NvmeQueue io;

    NvmeFixture() {
        this(new MemoryBackend(DISK_BYTES), builder -> builder);
    }

    NvmeFixture(BlockBackend backend, UnaryOperator<Nvme.Builder> options) {
        this.backend = backend;
        namespace = new PlainNamespace(backend, 9);
        handler.namespaces.add(namespace);
        nvme = options.apply(new Nvme.Builder(handler).queuePairs(PAIRS)).build();
        driver = new NvmeDriver(nvme.function(), memory);
        nvme.function().connectIrqs(new IrqSink() {
            @Override
            public void msi(int vector) {
                messages.add(vector);
            }

            @Override
            public void intx(boolean asserted) {
                if (asserted && !intx) {
                    intxRises.incrementAndGet();
                }
                intx = asserted;
            }
        });
        nvme.function().attachDma(memory.space());
        admin = driver.queue(0, 2, false);
        io = admin;
    }

    /** Ready, with I/O queues of number 1. */
    NvmeFixture start() {
        return start(false);
    }

    NvmeFixture start(boolean remoteRings) {
        admin = driver.enable(32, remoteRings);
        io = driver.create(admin, 1, QUEUE_ENTRIES, remoteRings);
        return this;
    }

    /** Whole pages of mapped memory. */
    long pages(int count) {
        return (memory.mapped((count + 1) * 4096L) + 4095) & -4096L;
    }

    /** Whole pages of memory that the device reaches by messages. */
    long remotePages(int count) {
        return (memory.remote((count + 1) * 4096L) + 4095) & -4096L;
    }

    NvmeCompletion io(int opcode, long slba, int blocks, long prp1, long prp2) {
        return io.run(NvmeCommand.io(opcode, 1, slba, blocks).prp(prp1, prp2));
    }

    /** As a driver does it: the shadow first, then the doorbell if the event index was passed. */
    void ringByShadow(long shadow, long events, int doorbell, int value) {
        long at = memory.host(shadow) + 4L * doorbell;
        int before = RawMemory.getInt(at);
        RawMemory.putIntRelease(at, value);
        RawMemory.fullFence();
        int event = RawMemory.getIntAcquire(memory.host(events) + 4L * doorbell);
        if (((value - event - 1) & 0xffff) < ((value - before) & 0xffff)) {
            driver.ring(doorbell, value);
        }
    }

    void enableMsix() {
        PciFunction function = nvme.function();
        int at = function.configRead(PCI_CAPABILITY_LIST, 1);
        while (function.configRead(at, 1) != PCI_CAP_ID_MSIX) {
            at = function.configRead(at + 1, 1);
        }
        function.configWrite(at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
    }

    /** Has something run where it belongs, and waits for it. */
    void onQueueThread(Runnable task) {
        CountDownLatch done = new CountDownLatch(1);
        handler.controller().run(() -> {
            task.run();
            done.countDown();
        });
        NvmeDriver.await("task", () -> done.getCount() == 0);
    }

    @Override
    public void close() {
        nvme.function().detachDma();
        nvme.close();
        memory.close();
        backend.close();
    }
}
