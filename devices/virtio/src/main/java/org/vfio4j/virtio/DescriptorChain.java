package org.vfio4j.virtio;

/**
 * A descriptor chain as it was copied out of the ring, checked for form but not for its addresses: device-readable pieces
 * first, then device-writable ones. One object serves a queue thread for all requests. Pieces of no length are left out.
 */
public final class DescriptorChain {

    private final long[] address;
    private final long[] length;
    private int head;
    private int count;
    private int readable;
    private long readableBytes;
    private long writableBytes;

    /** @param capacity the most pieces that a chain may have */
    public DescriptorChain(int capacity) {
        address = new long[capacity];
        length = new long[capacity];
    }

    /** The descriptor index that names the chain in the used ring. */
    public int head() {
        return head;
    }

    /** How many pieces there are. */
    public int count() {
        return count;
    }

    /** How many of the pieces, from the first on, the device reads; it writes the rest. */
    public int readable() {
        return readable;
    }

    public long readableBytes() {
        return readableBytes;
    }

    public long writableBytes() {
        return writableBytes;
    }

    /** IOVA of piece {@code i}. */
    public long address(int i) {
        return address[i];
    }

    /** Bytes of piece {@code i}: 1 to 2^32 - 1. */
    public long length(int i) {
        return length[i];
    }

    void begin(int head) {
        this.head = head;
        count = 0;
        readable = 0;
        readableBytes = 0;
        writableBytes = 0;
    }

    /** Returns false when a readable piece follows a writable one (Virtual I/O Device 1.2, 2.7.4.2). */
    boolean add(long iova, long bytes, boolean writable) {
        if (writable) {
            writableBytes += bytes;
        } else if (readable != count) {
            return false;
        } else {
            readableBytes += bytes;
        }
        if (bytes != 0) {
            address[count] = iova;
            length[count] = bytes;
            count++;
            if (!writable) {
                readable++;
            }
        }
        return true;
    }
}
