package org.vfio4j.virtio;

import java.util.Optional;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.vfio4j.devicemodel.FunctionJournal;

/** What a virtio function keeps of itself for another process: a {@link VirtioJournal}, from the first {@link #recover} on. */
final class VirtioFunctionJournal implements FunctionJournal {

    private final VirtioDevice device;
    private final VirtioRegisters registers;
    private final ServedQueues queues;
    private final IntFunction<SplitQueue> create;

    // Null for nothing. Set before the first use.
    private volatile @Nullable VirtioJournal journal;

    // Whether the registers are half those of another function: not to be kept so.
    private volatile boolean loading;

    // Whether another process died that may have changed the configuration and not have told the driver.
    private boolean untoldConfig;

    /** @param create makes a queue of an index, as the registers have it */
    VirtioFunctionJournal(
            VirtioDevice device, VirtioRegisters registers, ServedQueues queues, IntFunction<SplitQueue> create) {
        this.device = device;
        this.registers = registers;
        this.queues = queues;
        this.create = create;
    }

    /** What a queue keeps there; null when nothing is kept. */
    @Nullable
    InFlight queue(int index) {
        VirtioJournal kept = journal;
        return kept == null ? null : kept.queue(index);
    }

    /** The function's thread: before the driver gets its answer, another process would find what it has written. */
    void registersChanged() {
        VirtioJournal kept = journal;
        if (kept == null || loading) {
            return;
        }
        if (registers.areResetting()) {
            kept.writeReset();
            return;
        }
        kept.write(registers.saveWithoutIndices());
    }

    /** Runs what leaves the registers half done, and keeps none of it. */
    void without(Runnable change) {
        loading = true;
        try {
            change.run();
        } finally {
            loading = false;
        }
    }

    /** Whether the driver is still to be told of what another process may have changed; the caller does. */
    boolean takeUntoldConfig() {
        boolean was = untoldConfig;
        untoldConfig = false;
        return was;
    }

    @Override
    public long sizeBytes() {
        return VirtioJournal.sizeBytes(registers.sizeBytes(), registers.shape());
    }

    @Override
    public void recover(long address) {
        VirtioJournal from = new VirtioJournal(address, registers.sizeBytes(), registers.shape());
        Optional<byte[]> last = from.read();
        if (last.isPresent()) {
            VirtioState parsed = VirtioState.parse(last.get(), registers.shape());
            Runnable loadDevice = device.loadState(parsed.device());
            journal = from;
            queues.callQuiesced(
                    () -> without(() -> registers.loadQuiesced(parsed, loadDevice, create, SplitQueue::recover)));
            untoldConfig = parsed.common().isDriverOk();
        }
        journal = from;
    }

    @Override
    public void freeze() {
        VirtioJournal kept = journal;
        if (kept != null) {
            kept.freeze();
        }
    }
}
