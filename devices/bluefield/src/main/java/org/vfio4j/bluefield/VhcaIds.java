package org.vfio4j.bluefield;

import static org.vfio4j.sys.Errno.ENOSPC;

import java.util.BitSet;
import org.vfio4j.sys.ErrnoException;

/** The numbers by which commands name functions, 16 bits. One that was given back is used again as late as can be. For all threads. */
final class VhcaIds {

    private static final int COUNT = 1 << 16;

    private final BitSet taken = new BitSet();
    private int next;

    /** @param own those of the network functions, from 0 */
    VhcaIds(int own) {
        taken.set(0, own);
        next = own;
    }

    /** @throws ErrnoException ENOSPC when all are taken */
    synchronized int take() {
        int free = taken.nextClearBit(next);
        if (free >= COUNT) {
            free = taken.nextClearBit(0);
        }
        if (free >= COUNT) {
            throw new ErrnoException(ENOSPC, "VHCA ids: all " + COUNT + " are taken");
        }
        taken.set(free);
        next = free + 1;
        return free;
    }

    synchronized void giveBack(int id) {
        taken.clear(id);
    }
}
