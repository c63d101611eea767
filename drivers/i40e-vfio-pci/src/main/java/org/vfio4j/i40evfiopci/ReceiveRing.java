package org.vfio4j.i40evfiopci;

import java.util.Arrays;
import java.util.OptionalLong;
import org.vfio4j.i40e.I40eRing;

/**
 * The buffers that a guest has given one receive queue, remembered from when they were posted: the function overwrites their
 * addresses when it is done with them (Intel X710 datasheet, 8.3.2.2). A buffer stays dirty from then until one report after its
 * descriptor is done, because the function may write it at any moment between. Belongs to the user's thread.
 */
final class ReceiveRing {

    private static final long NO_BUFFER = -1;
    private static final int QWORD1 = 8;
    private static final long DESCRIPTOR_DONE = 1;

    private final GuestRings memory;
    private final PageSet dirty;
    private final I40eRing ring;
    private final long[] buffers;
    private int tail;
    private boolean blind;

    /**
     * The function does not move meanwhile.
     *
     * @param tail where it has to stop
     */
    ReceiveRing(GuestRings memory, PageSet dirty, I40eRing ring, int tail) {
        this.memory = memory;
        this.dirty = dirty;
        this.ring = ring;
        this.buffers = new long[ring.descriptors()];
        this.tail = tail;
        Arrays.fill(buffers, NO_BUFFER);
        for (int slot = 0; slot < buffers.length; slot++) {
            // What is done has no address any more, and was written before.
            if (!isDone(slot)) {
                post(slot);
            }
        }
    }

    I40eRing ring() {
        return ring;
    }

    /** Whether there were descriptors that could not be read, so that any page may be a buffer. */
    boolean isBlind() {
        return blind;
    }

    /** The guest has posted descriptors up to {@code newTail}. The function takes no other tail than one inside its ring. */
    void posted(int newTail) {
        if (newTail < 0 || newTail >= buffers.length) {
            return;
        }
        for (; tail != newTail; tail = (tail + 1) % buffers.length) {
            post(tail);
        }
    }

    /** Adds what may have been written, and forgets what will not be written any more. */
    void collect() {
        boolean any = false;
        for (int slot = 0; slot < buffers.length; slot++) {
            if (buffers[slot] != NO_BUFFER) {
                any = true;
                // Looked at first: what is done by now was written before.
                boolean done = isDone(slot);
                dirty.add(buffers[slot], ring.bufferBytes());
                if (done) {
                    buffers[slot] = NO_BUFFER;
                }
            }
        }
        if (any) {
            dirty.add(ring.iova(), ring.sizeBytes());
        }
    }

    private void post(int slot) {
        if (buffers[slot] != NO_BUFFER) {
            dirty.add(buffers[slot], ring.bufferBytes());
            dirty.add(ring.iova(), ring.sizeBytes());
        }
        OptionalLong address = memory.read(ring.descriptor(slot));
        blind |= address.isEmpty();
        buffers[slot] = address.orElse(NO_BUFFER);
    }

    private boolean isDone(int slot) {
        OptionalLong status = memory.read(ring.descriptor(slot) + QWORD1);
        return status.isPresent() && (status.getAsLong() & DESCRIPTOR_DONE) != 0;
    }
}
