package org.vfio4j.vfiopcix86;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciRegionOps;

/** The configuration space of another function, to look at. Its own user, if it has one, may be at it at the same time. */
final class ConfigRegion implements VfioPciRegionOps {

    private final PciFunction function;

    ConfigRegion(PciFunction function) {
        this.function = function;
    }

    @Override
    public void read(long offset, MemorySegment buffer, long at, int count) {
        int width;
        for (int done = 0; done < count; done += width) {
            int from = (int) offset + done;
            width = Pieces.widthAt(from, count - done);
            Pieces.put(buffer, at + done, width, function.configRead(from, width));
        }
    }

    @Override
    public void write(long offset, MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "write to the configuration space of another function");
    }
}
