package org.vfio4j.vfiopcicore;

/**
 * Which of its address spaces the function answers in, by its COMMAND register and power state. Kept beside the registers so
 * that a BAR access costs one look. Used by the user's thread.
 */
final class Decode {

    private boolean memory;
    private boolean io;
    private boolean asleep;

    boolean memory() {
        return memory && !asleep;
    }

    boolean io() {
        return io && !asleep;
    }

    void enable(boolean memoryOn, boolean ioOn) {
        memory = memoryOn;
        io = ioOn;
    }

    /** In D3hot a function answers to configuration accesses only (PCI Power Management 1.2, 5.3.4.1). */
    void sleep(boolean inD3hot) {
        asleep = inD3hot;
    }
}
