package org.vfio4j.virtio;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_ISR_CONFIG;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.vfio4j.sys.ErrnoException;

/**
 * All of a virtio function that a driver depends on, taken out and put back as {@link VirtioState}. The function's thread; what says so, while
 * the queues are stopped.
 */
final class VirtioRegisters {

    private final VirtioDevice device;
    private final VirtioState.Shape shape;
    private final CommonConfig common;
    private final VirtioInterrupts interrupts;
    private final PciConfigAccess window;
    private final ServedQueues queues;

    /** @param shape what another function must have in common with this one to have its state */
    VirtioRegisters(
            VirtioDevice device,
            VirtioState.Shape shape,
            CommonConfig common,
            VirtioInterrupts interrupts,
            PciConfigAccess window,
            ServedQueues queues) {
        this.device = device;
        this.shape = shape;
        this.common = common;
        this.interrupts = interrupts;
        this.window = window;
        this.queues = queues;
    }

    VirtioState.Shape shape() {
        return shape;
    }

    int sizeBytes() {
        return VirtioState.sizeBytes(shape, device.saveState().length);
    }

    /** Whether the driver has not seen the end of its reset. */
    boolean areResetting() {
        return common.isResetting();
    }

    /** The registers alone, as if no queue had done anything. */
    byte[] saveWithoutIndices() {
        return save(index -> Optional.empty(), interrupts.isr());
    }

    /**
     * Everything, while the queues are stopped.
     *
     * @throws ErrnoException EBUSY while queues still do again what another process had begun
     */
    byte[] saveQuiesced() {
        if (queues.areRecovering()) {
            throw new ErrnoException(EBUSY, "save a function that still does again what another had begun");
        }
        int untold = queues.isConfigUntold() ? VIRTIO_PCI_ISR_CONFIG : 0;
        return save(queues::find, interrupts.isr() | untold);
    }

    private byte[] save(IntFunction<Optional<SplitQueue>> served, int isr) {
        List<VirtioState.Queue> all = new ArrayList<>();
        for (int i = 0; i < common.queueCount(); i++) {
            int index = i;
            all.add(served.apply(index)
                    .map(queue -> common.saveQueue(index, queue.toldAvail(), queue.published()))
                    .orElseGet(() -> common.saveQueue(index, 0, 0)));
        }
        return new VirtioState(common.save(), isr, window.save(), all, device.saveState()).toBytes(shape);
    }

    /**
     * Has everything as another function had it, while the queues are stopped.
     *
     * @param loadDevice of {@link VirtioDevice#loadState}
     * @param create makes a queue of this index
     * @param begin has a queue begin where it was
     */
    void loadQuiesced(
            VirtioState state, Runnable loadDevice, IntFunction<SplitQueue> create, Consumer<SplitQueue> begin) {
        common.load(state);
        window.load(state.window());
        device.negotiated(state.common().isFeaturesOk() ? state.common().driverFeatures() : 0);
        loadDevice.run();
        List<SplitQueue> all = new ArrayList<>();
        for (int i = 0; i < common.queueCount() && state.common().isDriverOk(); i++) {
            if (common.queue(i).isEnabled()) {
                SplitQueue queue = create.apply(i);
                begin.accept(queue);
                all.add(queue);
            }
        }
        queues.replace(all);
        queues.announce();
    }
}
