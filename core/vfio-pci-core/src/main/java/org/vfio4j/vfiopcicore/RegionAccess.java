package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/**
 * Takes an access to whom it belongs: traps first, cut at their edges; then the region itself. Allocates nothing, unless the
 * device is in low power and has to be woken for it. Used by the user's thread.
 */
final class RegionAccess {

    private final Traps traps;
    private final Regions regions;

    RegionAccess(Traps traps, Regions regions) {
        this.traps = traps;
        this.regions = regions;
    }

    /** The range lies inside the region, which can be read. */
    void read(PciSession session, int region, long offset, MemorySegment buffer, long at, int count) {
        if (session.lowPower().isEngaged()) {
            session.lowPower().whileAwake(() -> readAwake(session, region, offset, buffer, at, count));
        } else {
            readAwake(session, region, offset, buffer, at, count);
        }
    }

    private void readAwake(PciSession session, int region, long offset, MemorySegment buffer, long at, int count) {
        VfioPciTrap[] set = traps.of(region);
        if (set.length == 0) {
            readUntrapped(session, region, offset, buffer, at, count);
            return;
        }
        int piece;
        for (int done = 0; done < count; done += piece) {
            long from = offset + done;
            VfioPciTrap next = next(set, from);
            piece = piece(next, from, count - done);
            if (!covers(next, from) || !next.handler().read(from, buffer, at + done, piece)) {
                readUntrapped(session, region, from, buffer, at + done, piece);
            }
        }
    }

    /** The range lies inside the region, which can be written. */
    void write(PciSession session, int region, long offset, MemorySegment buffer, long at, int count) {
        if (session.lowPower().isEngaged()) {
            session.lowPower().whileAwake(() -> writeAwake(session, region, offset, buffer, at, count));
        } else {
            writeAwake(session, region, offset, buffer, at, count);
        }
    }

    private void writeAwake(PciSession session, int region, long offset, MemorySegment buffer, long at, int count) {
        VfioPciTrap[] set = traps.of(region);
        if (set.length == 0) {
            writeUntrapped(session, region, offset, buffer, at, count);
            return;
        }
        int piece;
        for (int done = 0; done < count; done += piece) {
            long to = offset + done;
            VfioPciTrap next = next(set, to);
            piece = piece(next, to, count - done);
            if (!covers(next, to) || !next.handler().write(to, buffer, at + done, piece)) {
                writeUntrapped(session, region, to, buffer, at + done, piece);
            }
        }
    }

    private void readUntrapped(PciSession session, int region, long offset, MemorySegment buffer, long at, int count) {
        if (region <= VFIO_PCI_BAR5_REGION_INDEX) {
            session.bars().read(region, offset, buffer, at, count);
        } else if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            session.config().read((int) offset, buffer, at, count);
        } else if (region == VFIO_PCI_ROM_REGION_INDEX) {
            session.bars().readRom(offset, buffer, at, count);
        } else {
            added(region).ops().read(offset, buffer, at, count);
        }
    }

    private void writeUntrapped(PciSession session, int region, long offset, MemorySegment buffer, long at, int count) {
        if (region <= VFIO_PCI_BAR5_REGION_INDEX) {
            session.bars().write(region, offset, buffer, at, count);
        } else if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            session.config().write((int) offset, buffer, at, count);
        } else {
            added(region).ops().write(offset, buffer, at, count);
        }
    }

    private DeviceRegion added(int region) {
        DeviceRegion target = regions.device(region);
        if (target == null) {
            throw new ErrnoException(EINVAL, "region " + region + " cannot be accessed");
        }
        return target;
    }

    private static VfioPciTrap next(VfioPciTrap[] set, long offset) {
        return set[Math.min(Traps.firstBehind(set, offset), set.length - 1)];
    }

    private static boolean covers(VfioPciTrap trap, long offset) {
        return trap.offset() <= offset && offset < trap.end();
    }

    /** Bytes from {@code offset} to the next edge of a trap. */
    private static int piece(VfioPciTrap next, long offset, int left) {
        if (offset >= next.end()) {
            return left;
        }
        long edge = covers(next, offset) ? next.end() : next.offset();
        return (int) Math.min(left, edge - offset);
    }
}
