package org.vfio4j.userspace.vmm;

/**
 * What a {@link DiskGuest} does.
 *
 * @param depth requests that it keeps in flight; 0 for a guest that does nothing with its disk
 * @param readPercent how many of them read
 * @param dirtyBytesPerSecond how much of its memory it writes
 */
public record DiskGuestOptions(int depth, int readPercent, long dirtyBytesPerSecond) {

    static final int MAX_DEPTH = 128;

    /** 16 random writes in flight, and no other use of memory. */
    public static final DiskGuestOptions RANDOM_WRITES = new DiskGuestOptions(16, 0, 0);

    /** Nothing at all. */
    public static final DiskGuestOptions IDLE = new DiskGuestOptions(0, 0, 0);

    /** @throws IllegalArgumentException for numbers that are out of their limits */
    public DiskGuestOptions {
        if (depth < 0 || depth > MAX_DEPTH || readPercent < 0 || readPercent > 100 || dirtyBytesPerSecond < 0) {
            throw new IllegalArgumentException("depth " + depth + " up to " + MAX_DEPTH + ", " + readPercent
                    + " % reads, " + dirtyBytesPerSecond + " bytes of memory per second");
        }
    }

    public DiskGuestOptions withDepth(int requests) {
        return new DiskGuestOptions(requests, readPercent, dirtyBytesPerSecond);
    }

    public DiskGuestOptions withReadPercent(int percent) {
        return new DiskGuestOptions(depth, percent, dirtyBytesPerSecond);
    }

    public DiskGuestOptions withDirtyBytesPerSecond(long bytes) {
        return new DiskGuestOptions(depth, readPercent, bytes);
    }
}
