package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EIO;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;

/**
 * Accesses to BARs and the expansion ROM: cut into natural pieces of 8, 4, 2 and 1 bytes, those of the MSI-X table and pending bits taken out, the
 * others the function's. Allocates nothing. Used by the user's thread.
 */
final class BarAccess {

    private static final int WIDEST = 8;

    private final PciFunction function;
    private final Decode decode;
    private final MsixTable table;
    private final boolean[] isIo = new boolean[6];

    BarAccess(PciFunction function, Decode decode, MsixTable table) {
        this.function = function;
        this.decode = decode;
        this.table = table;
        for (PciBar bar : function.bars()) {
            isIo[bar.index()] = bar.kind() == PciBar.Kind.IO;
        }
    }

    /** The range lies inside the BAR. */
    void read(int bar, long offset, MemorySegment buffer, long at, int count) {
        checkDecode(bar);
        int width;
        for (int done = 0; done < count; done += width) {
            long from = offset + done;
            width = LittleEndian.firstWidth(from, count - done, WIDEST);
            long value = table.covers(bar, from) ? table.read(bar, from, width) : function.barRead(bar, from, width);
            LittleEndian.put(buffer, at + done, width, value);
        }
    }

    /** The range lies inside the BAR. */
    void write(int bar, long offset, MemorySegment buffer, long at, int count) {
        checkDecode(bar);
        int width;
        for (int done = 0; done < count; done += width) {
            long to = offset + done;
            width = LittleEndian.firstWidth(to, count - done, WIDEST);
            long value = LittleEndian.get(buffer, at + done, width);
            if (table.covers(bar, to)) {
                table.write(bar, to, width, value);
            } else {
                function.barWrite(bar, to, width, value);
            }
        }
    }

    /**
     * Reads the expansion ROM; the range lies inside. It answers while memory is decoded, whatever the enable bit of the user's
     * ROM register says: the function's own is the host's affair.
     */
    void readRom(long offset, MemorySegment buffer, long at, int count) {
        if (!decode.memory()) {
            throw new ErrnoException(EIO, "read of the expansion ROM while memory decode is off");
        }
        int width;
        for (int done = 0; done < count; done += width) {
            width = LittleEndian.firstWidth(offset + done, count - done, WIDEST);
            LittleEndian.put(buffer, at + done, width, function.romRead(offset + done, width));
        }
    }

    /** What the MSI-X table and pending bits take of a BAR. */
    List<Area> msixAreas(int bar) {
        return table.areas(bar);
    }

    private void checkDecode(int bar) {
        if (isIo[bar] ? !decode.io() : !decode.memory()) {
            throw new ErrnoException(
                    EIO, "access to BAR " + bar + " while " + (isIo[bar] ? "I/O" : "memory") + " decode is off");
        }
    }
}
