package org.vfio4j.i40e;

import java.util.List;

/**
 * What the driver of the physical function, i40e, can do for one of its virtual functions that the virtual function's own
 * registers cannot: stop it, take its state out and put one in, and tell where its rings are. A function gives it as
 * {@code PciFunction.platform(I40eVfControl.class)}.
 *
 * <p>One thread at a time calls, {@link #rings} apart, which any thread may. Nothing here changes what the function's own
 * driver sees in its registers.
 */
public interface I40eVfControl {

    /**
     * Stops it: returns when it does no DMA and sends no interrupt, with nothing half done. A frame that it has taken from a ring
     * is delivered, one that is for it waits at its sender. Register accesses go on; what they ask for waits. Stopping it again
     * does nothing.
     */
    void suspend();

    /** Lets it go on where it was. Nothing for one that runs. */
    void resume();

    /**
     * Its whole state: registers, admin queue, queues, filters, pending interrupts; not its identity. It is suspended.
     *
     * @return bytes that begin with what they are, for {@link #loadState} of another such function
     */
    byte[] saveState();

    /** About how long the state is, in bytes. Frames that its driver does not have yet come on top. */
    int stateBytes();

    /**
     * Takes over a state. It is suspended, and stays so.
     *
     * @throws org.vfio4j.sys.ErrnoException EINVAL, saying why, for what is no state of such a function, or of another version;
     *     nothing has changed then
     */
    void loadState(byte[] state);

    /**
     * The queues that its driver has started, at this moment. Another list, whatever is in it, when one has been started since the
     * call before: a queue that stops and starts again may have other buffers in the same ring.
     */
    List<I40eRing> rings();
}
