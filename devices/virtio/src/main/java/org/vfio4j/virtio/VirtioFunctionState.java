package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET;

import java.util.function.IntFunction;
import org.vfio4j.devicemodel.FunctionState;

/** What a live migration moves: {@link VirtioState}. Registers live on while it is suspended, queues do not. */
final class VirtioFunctionState implements FunctionState {

    private final VirtioDevice device;
    private final VirtioStatus status;
    private final CommonConfig common;
    private final VirtioInterrupts interrupts;
    private final ServedQueues queues;
    private final VirtioRegisters registers;
    private final VirtioFunctionJournal journal;
    private final IntFunction<SplitQueue> create;

    // The driver has not been told yet what it may have missed.
    private boolean isNew;

    /** @param create makes a queue of an index, as the registers have it */
    VirtioFunctionState(
            VirtioDevice device,
            VirtioStatus status,
            CommonConfig common,
            VirtioInterrupts interrupts,
            ServedQueues queues,
            VirtioRegisters registers,
            VirtioFunctionJournal journal,
            IntFunction<SplitQueue> create) {
        this.device = device;
        this.status = status;
        this.common = common;
        this.interrupts = interrupts;
        this.queues = queues;
        this.registers = registers;
        this.journal = journal;
        this.create = create;
    }

    @Override
    public void suspend() {
        queues.setSuspended(true);
        queues.callQuiesced(() -> {});
    }

    @Override
    public void resume() {
        queues.setSuspended(false);
        interrupts.driveLine();
        queues.wake();
        if (isNew && ((status.get() & VIRTIO_CONFIG_S_NEEDS_RESET) != 0 || interrupts.takeUntoldConfig())) {
            interrupts.config();
        }
        isNew = false;
        if (journal.takeUntoldConfig()) {
            common.configChanged();
            interrupts.config();
        }
    }

    @Override
    public void release() {
        device.release();
    }

    @Override
    public void claim() {
        device.claim();
    }

    @Override
    public int sizeBytes() {
        return registers.sizeBytes();
    }

    @Override
    public byte[] save() {
        return queues.askQuiesced(registers::saveQuiesced);
    }

    @Override
    public void load(byte[] state) {
        VirtioState parsed = VirtioState.parse(state, registers.shape());
        Runnable loadDevice = device.loadState(parsed.device());
        queues.callQuiesced(() -> journal.without(() -> registers.loadQuiesced(parsed, loadDevice, create, queue -> {
            VirtioState.Queue at = parsed.queues().get(queue.index());
            queue.begin(at.nextAvail(), at.usedIndex());
        })));
        journal.registersChanged();
        isNew = true;
    }
}
