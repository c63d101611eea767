package org.vfio4j.mlx5;

import java.util.List;
import java.util.function.LongConsumer;

/**
 * What the firmware of an mlx5 device does for the driver of a physical function: the commands by which a virtual HCA (VHCA), as a
 * function is called there, is stopped, saved and loaded, the page tracker object, the functions that a DPU emulates behind
 * this one (SNAP), and scalable functions. Commands are named as in linux/mlx5/mlx5_ifc.h. A function gives it as {@code
 * PciFunction.platform(Mlx5Firmware.class)}.
 *
 * <p>Any thread may call; commands for one VHCA are carried out one after the other. Failures are {@code
 * org.vfio4j.sys.ErrnoException}s: EINVAL for a VHCA that does not exist or is in the wrong state, and as said below.
 */
public interface Mlx5Firmware {

    /** QUERY_HCA_CAP: what it can do. Constant. */
    Mlx5Caps caps();

    /**
     * SUSPEND_VHCA. The initiator's side first: returns when the function does no DMA of its own and sends no interrupt, with nothing
     * half done. Then the responder's: what is written to its registers has no effect but to be remembered. A function level reset
     * undoes both.
     */
    void suspendVhca(int vhcaId, VhcaSide side);

    /** RESUME_VHCA: the responder's side first, then the initiator's. */
    void resumeVhca(int vhcaId, VhcaSide side);

    /**
     * QUERY_VHCA_MIGRATION_STATE.
     *
     * @param incremental for the changes since the last {@link #saveVhcaState} that tracked, not for all
     */
    VhcaMigrationState queryVhcaMigrationState(int vhcaId, boolean incremental);

    /**
     * SAVE_VHCA_STATE: takes an image of the VHCA's state.
     *
     * @param incremental only what has changed since the last image, which must have been tracked
     * @param setTrack the VHCA goes on, its responder's side at least, and incremental images follow; otherwise this image is the last, and both
     *     sides are suspended
     * @return for {@link #loadVhcaState}, of the size that a query has said while both sides are suspended, and about as large otherwise
     */
    byte[] saveVhcaState(int vhcaId, boolean incremental, boolean setTrack);

    /**
     * LOAD_VHCA_STATE: takes an image. Both sides are suspended. The VHCA has the state once the last image has come, in the order
     * in which they were saved, and not before.
     *
     * @throws RuntimeException EINVAL, saying why, for what is no such image, whole and undamaged, for a VHCA of this kind: then it has the
     *     state that it had, and images begin anew
     */
    void loadVhcaState(int vhcaId, byte[] image);

    /**
     * CREATE_GENERAL_OBJECT of a page tracker: from its return on every page is tracked that the VHCA writes.
     *
     * @param ranges what to track, disjoint, in ascending order; 1 to {@link Mlx5Caps#pgTrackMaxNumRange}
     * @param logPageSize between the limits that {@link #caps} gives
     * @return the object's number
     * @throws RuntimeException EBUSY when the VHCA has one
     */
    int createPageTracker(int vhcaId, List<PageTrackRange> ranges, int logPageSize);

    /**
     * MODIFY_GENERAL_OBJECT of a page tracker to reporting: names every page of the tracked ranges that has a byte in a range and has
     * been written since the last report. Those that are all in it are forgotten.
     *
     * @param last the last byte, unsigned
     * @param dirtyPage takes the address of each, of its first byte
     * @throws RuntimeException ENOSPC when more was written than there was room for
     */
    void reportPageTracker(int tracker, long iova, long last, LongConsumer dirtyPage);

    /** DESTROY_GENERAL_OBJECT of a page tracker. */
    void destroyPageTracker(int tracker);

    /**
     * QUERY_HCA_CAP of another function: the VHCA of a virtual function, which is there from when it is turned on for the first
     * time until its physical function goes.
     *
     * @param vhcaId the physical function's
     * @param index which of its virtual functions, from 0; the command's function_id is one more
     */
    int virtualVhcaId(int vhcaId, int index);

    /** QUERY_HCA_CAP: what there is for scalable functions. Constant. */
    SfCaps sfCaps();

    /**
     * ALLOC_SF: makes a scalable function, a disk that the device emulates as it does those on the PCI bus. Whoever has it made keeps
     * account of what {@link #sfCaps} says.
     *
     * @throws RuntimeException ENOSPC when there is no VHCA id left; what its storage says
     */
    ScalableFunction allocSf(SfRequest request);

    /** DEALLOC_SF: ends it. Nobody uses it any more. */
    void deallocSf(int vhcaId);

    /**
     * Has a listener hear of emulated functions that come and go.
     *
     * @return those that are there now, of which it hears nothing but their end
     */
    List<SnapFunction> subscribe(SnapListener listener);

    void unsubscribe(SnapListener listener);
}
