package org.vfio4j.cli.process;

import java.lang.ref.Reference;
import java.lang.ref.WeakReference;

/**
 * What has been allocated and is not used any more, up to the next collection, for which the whole process stands still. It comes when there
 * is no room left, which may be a moment in which guests wait already.
 */
final class YoungGarbage {

    private static final int PIECE_BYTES = 64 << 10;

    /** More than the young have room for in a heap as {@code vfio} sets it. */
    private static final int MOST_PIECES = (128 << 20) / PIECE_BYTES;

    private YoungGarbage() {}

    /**
     * Has it collected now, by using up the room that is left: a collection of the young alone, unlike {@link System#gc}, which looks at
     * everything and takes ten times as long. Gives up where the room is larger.
     *
     * @return whether there was a collection
     */
    static boolean collect() {
        WeakReference<Object> witness = new WeakReference<>(new Object());
        for (int i = 0; i < MOST_PIECES && !witness.refersTo(null); i++) {
            Reference.reachabilityFence(new byte[PIECE_BYTES]);
        }
        return witness.refersTo(null);
    }
}
