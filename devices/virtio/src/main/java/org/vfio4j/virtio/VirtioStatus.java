package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * The device status (Virtual I/O Device 1.2, 2.1): the driver's steps, set by the function's thread, and the device's cry for a
 * reset, set by the queue thread.
 */
final class VirtioStatus {

    private final AtomicInteger bits = new AtomicInteger();

    int get() {
        return bits.get();
    }

    /** Adds bits. Returns those that are new. */
    int add(int more) {
        return more & ~bits.getAndUpdate(was -> was | more);
    }

    /** Back to the start; only while the queues are stopped. */
    void clear() {
        bits.set(0);
    }

    /** Whether the driver is ready and the device has not failed. */
    boolean isLive() {
        return (bits.get() & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) == VIRTIO_CONFIG_S_DRIVER_OK;
    }
}
