package org.vfio4j.virtio;

import org.vfio4j.devicemodel.BarHandler;

/** A virtio device type, as the transport sees it. Called by the thread that accesses the function, unless said otherwise. */
public interface VirtioDevice {

    /** For thread names and log lines. */
    String name();

    /** {@code VIRTIO_ID_*} (Virtual I/O Device 1.2, 5). */
    int virtioId();

    /** PCI class code: base class, sub-class, programming interface. */
    int classCode();

    /** The feature bits of the device type; the transport adds its own. */
    long features();

    int queueCount();

    /** The largest queue, a power of two; no chain has more descriptors. */
    int maxQueueSize();

    /** Device-specific configuration (2.5). */
    BarHandler config();

    /** The driver has set {@code FEATURES_OK}, for {@code features}; or these are 0, after a reset. */
    void negotiated(long features);

    /** What {@link #loadState} of another such device needs, besides what the transport knows: always as many bytes. */
    byte[] saveState();

    /**
     * Checks a state that {@link #saveState} has given; changes nothing.
     *
     * @return what makes the device have it, called at once or never
     * @throws org.vfio4j.sys.ErrnoException EINVAL, saying why, when it does not fit this device
     */
    Runnable loadState(byte[] state);

    /** Its side on the queue thread. */
    VirtioRequests requests();
}
