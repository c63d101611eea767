package org.vfio4j.vfiopcicore;

/**
 * What the function may do and answer to, by its COMMAND register and power state. Kept beside the registers so that a BAR access
 * costs one look. Changed and used by the user's thread; every thread that does DMA asks whether the function is bus master.
 */
final class Decode {

    private boolean memory;
    private boolean io;
    private boolean master;
    private boolean asleep;
    private long epoch;

    /** What {@link #epoch} is, for the other threads. Odd while the function is bus master; greater after each change. */
    private volatile long masterEpoch;

    boolean memory() {
        return memory && !asleep;
    }

    boolean io() {
        return io && !asleep;
    }

    /** A number that is another after each change of whether the function {@linkplain #isMaster is bus master}. */
    long masterEpoch() {
        return masterEpoch;
    }

    static boolean isMaster(long epoch) {
        return (epoch & 1) != 0;
    }

    void enable(boolean memoryOn, boolean ioOn) {
        memory = memoryOn;
        io = ioOn;
    }

    void enableMaster(boolean on) {
        master = on;
        updateEpoch();
    }

    /** In D3hot a function answers to configuration accesses only, and does no DMA (PCI Power Management 1.2, 5.3.4.1). */
    void sleep(boolean inD3hot) {
        asleep = inD3hot;
        updateEpoch();
    }

    private void updateEpoch() {
        if (isMaster(epoch) != (master && !asleep)) {
            epoch++;
            masterEpoch = epoch;
        }
    }
}
