package org.vfio4j.i40evfiopci;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR0_REGION_INDEX;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.vfio.VfioLoggingOps;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciDevIrq;
import org.vfio4j.vfiopcicore.VfioPciTrap;
import org.vfio4j.vfiopcicore.VfioPciTrapHandler;

/**
 * Tells which memory a function that cannot tell itself has written: what a guest posts to receive queues is what the function
 * will write, and it is posted by a write to a tail register. Those registers are trapped while somebody migrates the device or
 * logs its writes; otherwise they can be mapped, and cost nothing.
 *
 * <p>A user who has them mapped is told by an interrupt to ask for the region's info and to map anew. It begins to log after
 * that: what was posted past the traps until then is found when logging begins, with the function stopped for a moment.
 *
 * <p>Belongs to the user's thread.
 */
final class TailTracking implements VfioLoggingOps {

    /** QTX_TAIL1(n) at 4 n and QRX_TAIL1(n) at 0x2000 + 4 n, for 16 queues (Intel X710 datasheet, 10.2.3). */
    static final long TX_TAILS = 0x0000;

    static final long RX_TAILS = 0x2000;
    static final long TAILS_BYTES = 64;

    private final PciFunction function;
    private final VfioPciCore core;
    private final I40eVfControl vf;
    private final VfioPciDevIrq remap;
    private final BooleanSupplier running;
    private final List<VfioPciTrap> traps = new ArrayList<>();

    private @Nullable GuestRings memory;
    private @Nullable DirtyRings rings;
    private PageSet dirty = new PageSet();
    private boolean migrating;
    private boolean logging;

    /**
     * @param remap tells the user that what it can map has changed
     * @param running whether the function is meant to run
     */
    TailTracking(
            PciFunction function, VfioPciCore core, I40eVfControl vf, VfioPciDevIrq remap, BooleanSupplier running) {
        this.function = function;
        this.core = core;
        this.vf = vf;
        this.remap = remap;
        this.running = running;
    }

    /** The function masters this memory from now on. */
    void attach(DmaSpace space) {
        memory = new GuestRings(space);
        if (logging) {
            follow(true);
        }
    }

    /** What was written stays in a log that runs. The function still has the memory. */
    void detach() {
        if (rings != null) {
            rings.collect();
        }
        rings = null;
        if (memory != null) {
            memory.close();
        }
        memory = null;
    }

    /** The device is being migrated, or not any more. */
    void setMigrating(boolean on) {
        migrating = on;
        setTraps();
    }

    /** {@inheritDoc} All addresses are logged, in pages of 4 KiB. */
    @Override
    public long start(List<Range> ranges, long pageSizeBytes) {
        logging = true;
        setTraps();
        follow(false);
        return PageSet.PAGE_BYTES;
    }

    @Override
    public void stop() {
        logging = false;
        rings = null;
        dirty = new PageSet();
        setTraps();
    }

    @Override
    public void readAndClear(Range range, LongConsumer dirtyPage) {
        if (rings != null) {
            rings.readAndClear(range, dirtyPage);
        } else {
            dirty.takeFrom(range.iova(), range.sizeBytes(), dirtyPage);
        }
    }

    private void follow(boolean unseen) {
        if (memory != null) {
            vf.suspend();
            rings = new DirtyRings(function, vf, memory, dirty, unseen);
            if (running.getAsBoolean()) {
                vf.resume();
            }
        }
    }

    private void setTraps() {
        boolean wanted = migrating || logging;
        if (wanted && traps.isEmpty()) {
            traps.add(core.trap(VFIO_PCI_BAR0_REGION_INDEX, TX_TAILS, TAILS_BYTES, new Tails(false)));
            traps.add(core.trap(VFIO_PCI_BAR0_REGION_INDEX, RX_TAILS, TAILS_BYTES, new Tails(true)));
            remap.signal(0);
        } else if (!wanted && !traps.isEmpty()) {
            traps.forEach(VfioPciTrap::close);
            traps.clear();
            remap.signal(0);
        }
    }

    /** Sees the guest post, just before the function does. */
    private final class Tails implements VfioPciTrapHandler {

        private final boolean receives;

        Tails(boolean receives) {
            this.receives = receives;
        }

        @Override
        public boolean write(long offset, MemorySegment buffer, long at, int count) {
            // As the access is cut for the function: whole registers take effect, pieces of one do not.
            int skip = (int) -offset & (Integer.BYTES - 1);
            for (int i = skip; rings != null && i + Integer.BYTES <= count; i += Integer.BYTES) {
                int queue = (int) (offset + i - (receives ? RX_TAILS : TX_TAILS)) / Integer.BYTES;
                rings.posted(receives, queue, buffer.get(JAVA_INT_UNALIGNED, at + i));
            }
            return false;
        }
    }
}
