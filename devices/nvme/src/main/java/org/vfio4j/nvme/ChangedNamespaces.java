package org.vfio4j.nvme;

import java.nio.ByteBuffer;
import java.util.BitSet;

/**
 * The Changed Namespace List log (Base 5.16.1.5), and the event that sends the driver there. Belongs to the queue thread.
 */
final class ChangedNamespaces {

    static final int SIZE = 4096;
    static final int LOG_PAGE = 0x04;

    private final AsyncEvents events;
    private final BitSet nsids = new BitSet();

    ChangedNamespaces(AsyncEvents events) {
        this.events = events;
    }

    /** A namespace came or went, or Identify Namespace says something else than before. */
    void add(int nsid) {
        nsids.set(nsid);
        events.report(AsyncEvents.TYPE_NOTICE, AsyncEvents.NOTICE_NAMESPACE_ATTRIBUTE_CHANGED, LOG_PAGE);
    }

    void clear() {
        nsids.clear();
    }

    /** By NSID. There is room for all that there can be. */
    ByteBuffer page() {
        ByteBuffer page = Bytes.structure(SIZE);
        nsids.stream().forEach(page::putInt);
        return page;
    }

    /** For {@link #load}. */
    long[] save() {
        return nsids.toLongArray();
    }

    void load(long[] saved) {
        nsids.clear();
        nsids.or(BitSet.valueOf(saved));
    }
}
