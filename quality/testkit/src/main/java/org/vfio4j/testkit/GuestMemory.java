package org.vfio4j.testkit;

import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.DmaBacking;
import org.vfio4j.vfio.IoAddressSpace;

/**
 * A guest's memory for tests: the driver writes to it directly, the device reaches it through an address space. The first half
 * is mapped for the device, the second is reached by messages that may wait.
 */
public final class GuestMemory implements AutoCloseable {

    public static final long BASE = 0x1_0000_0000L;
    public static final int READ_WRITE = DmaSpace.READ | DmaSpace.WRITE;

    private final long halfBytes;
    private final Fd memory;
    private final Mapping own;
    private final IoAddressSpace space = new IoAddressSpace(64);
    private long nextMapped = BASE;
    private long nextRemote;
    private volatile int remoteError;

    public GuestMemory(long halfBytes) {
        this.halfBytes = halfBytes;
        memory = MemFd.create("guest", 2 * halfBytes);
        own = Mapping.shared(memory, 0, 2 * halfBytes, Mapping.PROT_READ | Mapping.PROT_WRITE);
        nextRemote = BASE + halfBytes;
        mapFirstHalf();
        space.map(BASE + halfBytes, halfBytes, READ_WRITE, new Remote());
    }

    /** The descriptor behind it, for a device in another process's reach. The first half begins at 0. */
    public Fd memory() {
        return memory;
    }

    public long halfBytes() {
        return halfBytes;
    }

    public IoAddressSpace space() {
        return space;
    }

    public void mapFirstHalf() {
        space.map(BASE, READ_WRITE, Mapping.shared(memory, 0, halfBytes, Mapping.PROT_READ | Mapping.PROT_WRITE));
    }

    public void unmapFirstHalf() {
        space.unmap(BASE, halfBytes);
    }

    /** From now on accesses by message fail with this negative errno; 0 lets them work. */
    public void failRemote(int error) {
        remoteError = error;
    }

    /** Memory that is mapped for the device. */
    public long mapped(long bytes) {
        long at = nextMapped;
        nextMapped += (bytes + 15) & -16;
        if (nextMapped > BASE + halfBytes) {
            throw new IllegalStateException("guest memory is used up");
        }
        return at;
    }

    /** Memory that the device reaches by messages. */
    public long remote(long bytes) {
        long at = nextRemote;
        nextRemote += (bytes + 15) & -16;
        if (nextRemote > BASE + 2 * halfBytes) {
            throw new IllegalStateException("guest memory is used up");
        }
        return at;
    }

    /** The first address behind all memory. */
    public long end() {
        return BASE + 2 * halfBytes;
    }

    /** Where the driver finds {@code iova}. */
    public long host(long iova) {
        if (iova < BASE || iova >= end()) {
            throw new IllegalArgumentException("no memory at 0x" + Long.toHexString(iova));
        }
        return own.address() + iova - BASE;
    }

    public void fill(long iova, long bytes, int value) {
        RawMemory.fill(host(iova), bytes, (byte) value);
    }

    public void put(long iova, byte[] bytes) {
        RawMemory.segment(host(iova), bytes.length).copyFrom(java.lang.foreign.MemorySegment.ofArray(bytes));
    }

    public byte[] get(long iova, int bytes) {
        return RawMemory.segment(host(iova), bytes).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    }

    @Override
    public void close() {
        space.close();
        own.close();
        memory.close();
    }

    private final class Remote implements DmaBacking {

        @Override
        public boolean isRemote() {
            return true;
        }

        @Override
        public int read(long offset, long hostAddress, long length) {
            if (remoteError == 0) {
                RawMemory.copy(own.address() + halfBytes + offset, hostAddress, length);
            }
            return remoteError;
        }

        @Override
        public int write(long offset, long hostAddress, long length) {
            if (remoteError == 0) {
                RawMemory.copy(hostAddress, own.address() + halfBytes + offset, length);
            }
            return remoteError;
        }

        @Override
        public void close() {}
    }
}
