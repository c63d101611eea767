package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSIX_IRQ_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;

/** The paths of every access and every interrupt allocate nothing once they are compiled. */
class AllocationTest {

    private static final int CALLS = 20_000;
    private static final int PATIENCE = 50;

    @Test
    void regionAccessesAllocateNothing() {
        MemorySegment buffer = Arena.ofAuto().allocate(64);
        VfioRegistry registry = new VfioRegistry();
        registry.register(new VfioPciCore("test", new QuietFunction()), () -> () -> {}, "0000:08:00.0");
        try (LocalDeviceFile file = registry.open("vfio0")) {
            assertAllocatesNothing(() -> {
                file.write(0, 0x10, buffer, 0, 4);
                file.read(0, 0x12, buffer, 3, 8);
                file.read(7, 0, buffer, 0, 64);
                file.write(7, 4, buffer, 4, 2);
            });
        }
    }

    @Test
    void accessesBesideAndThroughATrapAllocateNothing() {
        MemorySegment buffer = Arena.ofAuto().allocate(64);
        VfioPciCore core = new VfioPciCore("test", new QuietFunction());
        VfioRegistry registry = new VfioRegistry();
        registry.register(core, () -> () -> {}, "0000:08:00.0");
        core.trap(0, 0x20, 8, new VfioPciTrapHandler() {});
        try (LocalDeviceFile file = registry.open("vfio0")) {
            assertAllocatesNothing(() -> {
                file.write(0, 0x10, buffer, 0, 4);
                file.read(0, 0x18, buffer, 3, 32);
            });
        }
    }

    @Test
    void interruptsAllocateNothing() {
        try (OpenCore disk = OpenCore.disk()) {
            List<Fd> fds = disk.assign(VFIO_PCI_MSIX_IRQ_INDEX, 0, 2);
            disk.mask(VFIO_PCI_MSIX_IRQ_INDEX, 1);
            IrqSink sink = disk.function.sink;
            assertAllocatesNothing(() -> {
                sink.msi(0);
                sink.msi(1);
                sink.msi(2);
            });
            fds.forEach(Fd::close);
        }
    }

    // Interpreted method handles allocate; how soon the compiler comes depends on the machine's load.
    private void assertAllocatesNothing(Runnable call) {
        long bytes = Long.MAX_VALUE;
        for (int attempt = 0; attempt < PATIENCE && bytes >= CALLS; attempt++) {
            long before = ThreadUse.allocatedBytes(Thread.currentThread());
            for (int i = 0; i < CALLS; i++) {
                call.run();
            }
            bytes = ThreadUse.allocatedBytes(Thread.currentThread()) - before;
        }
        assertThat(bytes).as("bytes allocated by %d calls", CALLS).isLessThan(CALLS);
    }

    /** One memory BAR whose accesses leave no trace. */
    private static final class QuietFunction implements PciFunction {
        private final List<PciBar> bars = List.of(new PciBar(0, 4096, PciBar.Kind.MEM32, false));
        private int command;

        @Override
        public int configSize() {
            return 256;
        }

        @Override
        public int configRead(int offset, int width) {
            return offset == 4 ? command : 0;
        }

        @Override
        public void configWrite(int offset, int width, int value) {
            command = offset == 4 ? 0x3 : command;
        }

        @Override
        public List<PciBar> bars() {
            return bars;
        }

        @Override
        public long barRead(int bar, long offset, int width) {
            return offset;
        }

        @Override
        public void barWrite(int bar, long offset, int width, long value) {}

        @Override
        public void connectIrqs(IrqSink sink) {}

        @Override
        public void attachDma(DmaSpace space) {}

        @Override
        public void detachDma() {}

        @Override
        public void reset() {}
    }
}
