package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.nio.ByteBuffer;
import org.vfio4j.sys.ErrnoException;

/**
 * What a driver knows of a queue pair that is not in the memory that it shares with the controller. Immutable.
 *
 * @param id of both queues
 * @param entries of each
 * @param vector what it interrupts with, -1 for nothing
 * @param submissionsAt where the queue is in the memory, as are the next two; see {@link CommandRing}
 * @param queued modulo 2^32, as is the next
 * @param phase of entries that are new
 * @param tags by slot
 * @param busy by slot: whether its command is in flight
 * @param queuedAt by slot: how many were queued before it
 */
record RingState(
        int id,
        int entries,
        int vector,
        long submissionsAt,
        long completionsAt,
        long listsAt,
        int listBytes,
        int queued,
        int published,
        int head,
        int told,
        int phase,
        int[] tags,
        boolean[] busy,
        int[] queuedAt) {

    private static final int FIXED_BYTES = 9 * Integer.BYTES + 3 * Long.BYTES;
    private static final int SLOT_BYTES = 2 * Integer.BYTES + 1;
    private static final int MIN_ENTRIES = 2;

    RingState {
        tags = tags.clone();
        busy = busy.clone();
        queuedAt = queuedAt.clone();
        boolean sizes = entries >= MIN_ENTRIES
                && entries <= MAX_QUEUE_ENTRIES
                && Integer.bitCount(entries) == 1
                && busy.length == entries - 1
                && listBytes >= DSM_RANGE_SIZE
                && Integer.bitCount(listBytes) == 1;
        boolean places = (submissionsAt | completionsAt | listsAt) >= 0
                && submissionsAt % SQE_SIZE == 0
                && completionsAt % CQE_SIZE == 0
                && listsAt % listBytes == 0;
        boolean indices = (head | told) >= 0
                && head < entries
                && told < entries
                && (phase & ~CQE_PHASE) == 0
                && Integer.compareUnsigned(queued - published, entries) < 0;
        if (id < 1 || id >= MAX_QUEUE_ENTRIES || !sizes || !places || !indices) {
            throw new ErrnoException(
                    EINVAL,
                    "state of NVMe queue " + id + " of " + entries + " entries and " + busy.length
                            + " slots: head " + head + " of which " + told + " is told, " + queued + " queued, "
                            + published + " published");
        }
    }

    int bytes() {
        return FIXED_BYTES + busy.length * SLOT_BYTES;
    }

    void write(ByteBuffer to) {
        to.putInt(id).putInt(entries).putInt(vector);
        to.putLong(submissionsAt).putLong(completionsAt).putLong(listsAt).putInt(listBytes);
        to.putInt(queued).putInt(published).putInt(head).putInt(told).putInt(phase);
        for (int slot = 0; slot < busy.length; slot++) {
            to.putInt(tags[slot]).put((byte) (busy[slot] ? 1 : 0)).putInt(queuedAt[slot]);
        }
    }

    /** @throws java.nio.BufferUnderflowException when it ends too early */
    static RingState read(ByteBuffer from) {
        int id = from.getInt();
        int entries = from.getInt();
        if (entries < MIN_ENTRIES || entries > MAX_QUEUE_ENTRIES) {
            throw new ErrnoException(EINVAL, "state of an NVMe queue of " + entries + " entries");
        }
        int vector = from.getInt();
        long submissionsAt = from.getLong();
        long completionsAt = from.getLong();
        long listsAt = from.getLong();
        int listBytes = from.getInt();
        int queued = from.getInt();
        int published = from.getInt();
        int head = from.getInt();
        int told = from.getInt();
        int phase = from.getInt();
        int[] tags = new int[entries - 1];
        boolean[] busy = new boolean[entries - 1];
        int[] queuedAt = new int[entries - 1];
        for (int slot = 0; slot < busy.length; slot++) {
            tags[slot] = from.getInt();
            busy[slot] = from.get() != 0;
            queuedAt[slot] = from.getInt();
        }
        return new RingState(
                id,
                entries,
                vector,
                submissionsAt,
                completionsAt,
                listsAt,
                listBytes,
                queued,
                published,
                head,
                told,
                phase,
                tags,
                busy,
                queuedAt);
    }
}
