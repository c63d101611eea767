package org.vfio4j.virtio;

import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.sys.Cpus;

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

    /** How long a request may take before it counts as slow, in nanoseconds; {@link Long#MAX_VALUE} for without end. */
    default long slowNs() {
        return DeviceRecorder.DEFAULT_SLOW_NS;
    }

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

    /** As {@code FunctionState.release}. */
    default void release() {}

    /** As {@code FunctionState.claim}. */
    default void claim() {}

    /** How many queue threads share the queues, 1 to {@link #queueCount}. */
    default int threadCount() {
        return 1;
    }

    /** Where its queue threads run. */
    default Cpus cpus() {
        return Cpus.ANY;
    }

    /** Its side on a queue thread: called once for each of them. */
    VirtioRequests requests();
}
