package org.vfio4j.devicemodel;

/**
 * A function that keeps what its driver depends on in memory that outlives its process, so that a function of another process can go
 * on with it after this one has died at any moment, without warning. A function that can gives this as
 * {@code PciFunction.platform(FunctionJournal.class)}.
 *
 * <p>What the memory holds is for another function of the same kind, size and feature set, and of this version. One thread at a time
 * calls, as for {@link FunctionState}.
 */
public interface FunctionJournal {

    /** How many bytes of memory it needs: the same for all functions that are set up alike. */
    long sizeBytes();

    /**
     * Goes on where the function was that has kept itself there, and keeps itself there from now on. It is suspended, and stays so. What
     * that one had taken from its driver and not answered is done again, and its driver is interrupted once too often rather than once too
     * little.
     *
     * @param address of {@link #sizeBytes} bytes, a multiple of 64, which stay until the function is closed: zeroes where nobody was before,
     *     or what one has left there whose process has ended
     * @throws org.vfio4j.sys.ErrnoException EINVAL, saying why, when it is no state that this function can have: nothing has changed then
     */
    void recover(long address);

    /**
     * Leaves its registers there as they are from now on, whatever becomes of them; what it takes and answers is still kept. For a process
     * that ends while another is to go on.
     */
    void freeze();
}
