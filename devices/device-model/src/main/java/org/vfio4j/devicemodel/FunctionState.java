package org.vfio4j.devicemodel;

/**
 * The state of an emulated function, to take out of one and put into another of the same kind: what a live migration moves, and a
 * server that takes over from another. A function that has it gives it as {@code PciFunction.platform(FunctionState.class)}.
 *
 * <p>One thread at a time calls. What the function's driver sees in its registers is no other for it.
 */
public interface FunctionState {

    /**
     * Stops the function: returns when it does no DMA and sends no interrupt, with nothing half done. A request that it has taken
     * is completed, or is as if it had not been taken. Register accesses go on; what they ask for waits. Stopping it again does
     * nothing.
     */
    void suspend();

    /** Lets it go on where it was. Nothing for one that runs. A reset does this as well. */
    void resume();

    /**
     * Gives up what only one function can have, such as the claim of its storage, for another to go on with it. It is suspended, and stays
     * so until it has {@linkplain #claim claimed} it again.
     */
    default void release() {}

    /**
     * Takes what only one function can have, before it goes on. What it has already it keeps.
     *
     * @throws org.vfio4j.sys.ErrnoException EBUSY when another has it; it stays suspended then
     */
    default void claim() {}

    /** About how many bytes {@link #save} would give now. */
    int sizeBytes();

    /**
     * The whole state: registers, queues, what was negotiated, pending interrupts; neither its identity nor what its storage holds.
     * It is suspended.
     *
     * @return bytes that begin with what they are and their version, for {@link #load} of another such function
     */
    byte[] save();

    /**
     * Takes over a state. It is suspended, and stays so.
     *
     * @throws org.vfio4j.sys.ErrnoException EINVAL, saying why, for what is no state of such a function: of another kind, size,
     *     feature set or version, cut short or damaged. Nothing has changed then
     */
    void load(byte[] state);
}
