package org.vfio4j.nvme;

import java.nio.ByteBuffer;

/** The Error Information log (Base 5.16.1.2): the last commands that failed, newest first. Belongs to the queue thread. */
final class ErrorLog {

    static final int ENTRIES = 64;
    static final int ENTRY_SIZE = 64;
    static final int SIZE = ENTRIES * ENTRY_SIZE;

    // Offsets in an entry; Base figure 206.
    static final int ERROR_COUNT = 0;
    static final int SUBMISSION_QUEUE_ID = 8;
    static final int COMMAND_ID = 10;
    static final int STATUS_FIELD = 12;
    static final int PARAMETER_ERROR_LOCATION = 14;
    static final int LBA = 16;
    static final int NAMESPACE = 24;

    /** What stands for a queue, a command or a place in it, where there is none. */
    private static final short NONE = (short) 0xffff;

    /** As the log page is, but each entry in the place of its error count. */
    private final ByteBuffer ring = Bytes.structure(SIZE);

    private long count;

    /** Errors since the controller was made, which also says how many entries were made. */
    long count() {
        return count;
    }

    /**
     * Makes an entry.
     *
     * @param sqid or -1 for an error of no command
     * @param status without the phase tag
     */
    void add(int sqid, int cid, int status, int nsid, long lba) {
        int at = place(++count);
        ring.putLong(at + ERROR_COUNT, count);
        ring.putShort(at + SUBMISSION_QUEUE_ID, sqid < 0 ? NONE : (short) sqid);
        ring.putShort(at + COMMAND_ID, sqid < 0 ? NONE : (short) cid);
        ring.putShort(at + STATUS_FIELD, (short) (status << 1));
        ring.putShort(at + PARAMETER_ERROR_LOCATION, NONE);
        ring.putLong(at + LBA, lba);
        ring.putInt(at + NAMESPACE, nsid);
    }

    ByteBuffer page() {
        ByteBuffer page = Bytes.structure(SIZE);
        for (int i = 0; i < ENTRIES && i < count; i++) {
            page.put(i * ENTRY_SIZE, ring, place(count - i), ENTRY_SIZE);
        }
        return page;
    }

    /** Takes over a page of another controller, {@link #SIZE} bytes, and its count. */
    void load(long newCount, ByteBuffer page) {
        count = newCount;
        for (int i = 0; i < ENTRIES && i < count; i++) {
            ring.put(place(count - i), page, i * ENTRY_SIZE, ENTRY_SIZE);
        }
    }

    private static int place(long errorCount) {
        return (int) (errorCount % ENTRIES) * ENTRY_SIZE;
    }
}
