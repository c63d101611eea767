package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioPci.VIRTIO_MSI_NO_VECTOR;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_ISR_CONFIG;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_ISR_QUEUE;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.vfio4j.devicemodel.Interrupts;

/**
 * Used buffer notifications and configuration change notifications (Virtual I/O Device 1.2, 4.1.5.3 and 4.1.5.4): by MSI-X
 * vector when MSI-X is enabled, else by the ISR status and INTx. From any thread.
 */
final class VirtioInterrupts {

    private final Interrupts interrupts;
    private final int vectors;
    private final int configEntry;

    // The vector of each queue, and behind them that of configuration changes.
    private final AtomicIntegerArray vector;

    // Setting it with the line and clearing it with the line exclude each other: the line never lags behind.
    private int isr;

    VirtioInterrupts(Interrupts interrupts, int queues, int vectors) {
        this.interrupts = interrupts;
        this.vectors = vectors;
        configEntry = queues;
        vector = new AtomicIntegerArray(queues + 1);
        reset();
    }

    void queue(int index) {
        raise(index, VIRTIO_PCI_ISR_QUEUE);
    }

    void config() {
        raise(configEntry, VIRTIO_PCI_ISR_CONFIG);
    }

    /** Reads the ISR status, which clears it and takes the line down (4.1.4.5). */
    synchronized int readIsr() {
        int was = isr;
        isr = 0;
        interrupts.intx(false);
        return was;
    }

    /** The ISR status, left as it is. */
    synchronized int isr() {
        return isr;
    }

    /** Takes over a status; the line follows with {@link #driveLine}. */
    synchronized void loadIsr(int status) {
        isr = status;
    }

    /** Whether a status that was taken over says what a message was still to say of the configuration: once. Otherwise the line says it. */
    synchronized boolean takeUntoldConfig() {
        boolean untold = interrupts.msixEnabled() && (isr & VIRTIO_PCI_ISR_CONFIG) != 0;
        isr &= untold ? ~VIRTIO_PCI_ISR_CONFIG : ~0;
        return untold;
    }

    /** Has the line say what the status says. */
    synchronized void driveLine() {
        interrupts.intx(isr != 0);
    }

    int queueVector(int index) {
        return vector.get(index);
    }

    int configVector() {
        return vector.get(configEntry);
    }

    /** A vector that does not exist is refused: reading it back gives {@code VIRTIO_MSI_NO_VECTOR} (4.1.5.1.2). */
    void setQueueVector(int index, int to) {
        vector.set(index, legal(to));
    }

    void setConfigVector(int to) {
        vector.set(configEntry, legal(to));
    }

    void reset() {
        for (int i = 0; i < vector.length(); i++) {
            vector.set(i, VIRTIO_MSI_NO_VECTOR);
        }
        readIsr();
    }

    private void raise(int entry, int bit) {
        if (interrupts.msixEnabled()) {
            int to = vector.get(entry);
            if (to != VIRTIO_MSI_NO_VECTOR) {
                interrupts.message(to);
            }
            return;
        }
        synchronized (this) {
            isr |= bit;
            interrupts.intx(true);
        }
    }

    private int legal(int to) {
        return to < vectors ? to : VIRTIO_MSI_NO_VECTOR;
    }
}
