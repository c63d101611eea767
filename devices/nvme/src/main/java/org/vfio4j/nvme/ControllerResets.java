package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.CSTS_SHST_OCCURRING;

/** How a controller is enabled, disabled, shut down and reset, by its driver or as a function. The function's thread. */
final class ControllerResets implements NvmeRegisters.Effects {

    /**
     * How long a write of CC waits for the queue thread, which needs microseconds; but one that itself waits for the driver must not
     * be waited for.
     */
    private static final long RESET_WAIT_NS = 10_000_000;

    /** Of the 100 ms that PCI Express gives a function level reset. */
    private static final long FUNCTION_RESET_WAIT_NS = 80_000_000;

    private final Nvme nvme;

    ControllerResets(Nvme nvme) {
        this.nvme = nvme;
    }

    @Override
    public void enable() {
        nvme.controller().setUp().announce();
        nvme.threads().runQuiesced(nvme.controller()::enable, RESET_WAIT_NS);
        nvme.threads().wakeAll();
    }

    @Override
    public void disable() {
        Controller controller = nvme.controller();
        controller.discard();
        // Before CC.EN is kept, which the queues may outlive.
        controller.setUp().forget();
        nvme.threads().runQuiesced(controller::disable, RESET_WAIT_NS);
    }

    @Override
    public void shutdown() {
        Controller controller = nvme.controller();
        controller.registers().setShutdownStatus(CSTS_SHST_OCCURRING);
        // On the thread, since storage may take its time: a write of a register must not.
        nvme.threads().wakeAll();
        nvme.threads().runQuiesced(controller::shutdown);
    }

    @Override
    public void interruptMaskChanged() {
        Controller controller = nvme.controller();
        if ((controller.registers().interruptMask() & 1) != 0) {
            controller.pin().lower();
        }
        nvme.wakeIfReady();
    }

    /** See {@link Nvme#reset}. */
    void reset() {
        Controller controller = nvme.controller();
        controller.discard();
        nvme.threads().callQuiesced(() -> {
            // Not before the end of this reset: another controller may have that page.
            controller.doorbells().forgetAdopted();
            controller.disable();
            controller.registers().reset();
        });
        nvme.journal().changed();
        nvme.resume();
    }

    /** See {@link Nvme#initiateReset}. */
    void initiate() {
        Controller controller = nvme.controller();
        controller.discard();
        Suspension suspension = nvme.suspension();
        int suspended = suspension.count();
        boolean over = nvme.threads()
                .runQuiesced(
                        () -> {
                            controller.doorbells().forgetAdopted();
                            controller.disable();
                            // Not sooner, or commands would be taken that wait; and not if that is what came next.
                            if (suspension.count() == suspended) {
                                suspension.goOn();
                                nvme.wakeIfReady();
                            }
                        },
                        FUNCTION_RESET_WAIT_NS);
        if (over) {
            controller.registers().reset();
            nvme.resume();
        } else {
            controller.registers().initiateReset();
            nvme.threads().runQuiesced(controller.doorbells()::settle);
        }
        nvme.journal().changed();
    }
}
