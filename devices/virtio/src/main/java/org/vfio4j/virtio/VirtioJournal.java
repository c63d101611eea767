package org.vfio4j.virtio;

import java.util.Optional;
import org.vfio4j.devicemodel.StateJournal;

/**
 * What a virtio function keeps of itself outside of its process: its registers as {@link VirtioState}, without the indices of its queues,
 * and of each queue what is {@link InFlight}. The registers are the function's thread's, each queue its queue thread's.
 */
final class VirtioJournal {

    private static final byte[] AS_AFTER_A_RESET = {};

    private final StateJournal registers;
    private final long queuesAt;
    private final int maxQueueSize;
    private volatile boolean frozen;

    /** @param stateBytes of a {@link VirtioState} of this function */
    VirtioJournal(long address, int stateBytes, VirtioState.Shape shape) {
        registers = new StateJournal(address, stateBytes);
        queuesAt = address + StateJournal.sizeBytes(stateBytes);
        maxQueueSize = shape.maxQueueSize();
    }

    static long sizeBytes(int stateBytes, VirtioState.Shape shape) {
        return StateJournal.sizeBytes(stateBytes) + shape.queueCount() * InFlight.sizeBytes(shape.maxQueueSize());
    }

    InFlight queue(int index) {
        return new InFlight(queuesAt + index * InFlight.sizeBytes(maxQueueSize), maxQueueSize);
    }

    void write(byte[] state) {
        if (!frozen) {
            registers.write(state);
        }
    }

    /** The registers are, or will soon be, as after a reset. */
    void writeReset() {
        write(AS_AFTER_A_RESET);
    }

    /** What the registers were; empty when they were as after a reset. */
    Optional<byte[]> read() {
        return registers.read().filter(state -> state.length > 0);
    }

    void freeze() {
        frozen = true;
    }
}
