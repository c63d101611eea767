package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.PCI_PM_CTRL_STATE_MASK;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * Low power at the user's wish, as the kernel's runtime power management does it: between operations of the user the function
 * sleeps in D3hot, if it has power states; each operation finds it awake in D0. With a wake-up descriptor the first operation,
 * or the first interrupt of the function, signals the descriptor and ends it all. The function itself is woken by the user's
 * thread alone, so after an interrupt it sleeps on until the user's next operation.
 *
 * <p>The user's thread calls; interrupts come from any.
 */
final class LowPower implements IrqSink {

    private static final int D0 = 0;
    private static final int D3_HOT = PCI_PM_CTRL_STATE_MASK;

    private final PciFunction function;
    private final Interrupts interrupts;
    private final @Nullable PowerManagement power;
    private final EventTriggers wakeUp = new EventTriggers(1);
    private boolean engaged;
    private boolean wakes;

    /** @param power the function's power states; null when it has none */
    LowPower(PciFunction function, Interrupts interrupts, @Nullable PowerManagement power) {
        this.function = function;
        this.interrupts = interrupts;
        this.power = power;
    }

    /** Whether the user has to be kept from a function that sleeps: {@link #whileAwake} is for what it does meanwhile. */
    boolean isEngaged() {
        return engaged;
    }

    /**
     * Lets the function sleep from now on. An operation like any other: it ends a low power state that has a wake-up descriptor.
     *
     * @param eventFd signalled once at the end; owned, also when this fails
     * @throws ErrnoException EINVAL when it is there already
     */
    void enter(Optional<Fd> eventFd) {
        if (engaged) {
            resume();
        }
        if (engaged) {
            suspend();
            eventFd.ifPresent(Fd::close);
            throw new ErrnoException(EINVAL, "enter low power, which was entered before");
        }
        wakeUp.assign(0, eventFd);
        wakes = eventFd.isPresent();
        engaged = true;
        suspend();
    }

    /** Ends it, if it was entered and has not ended by itself: the function is awake. */
    void exit() {
        if (engaged) {
            resume();
        }
        end();
    }

    /** Carries an operation of the user out with the function awake. */
    void whileAwake(Runnable operation) {
        if (engaged) {
            resume();
        }
        try {
            operation.run();
        } finally {
            if (engaged) {
                suspend();
            }
        }
    }

    @Override
    public void msi(int vector) {
        wakeUp.signalOnce(0);
        interrupts.msi(vector);
    }

    @Override
    public void intx(boolean asserted) {
        // The level of before is told again when this is connected, and wakes nobody.
        if (asserted && !interrupts.intxContext().isAsserted()) {
            wakeUp.signalOnce(0);
        }
        interrupts.intx(asserted);
    }

    @Override
    public void error() {
        wakeUp.signalOnce(0);
        interrupts.error();
    }

    private void suspend() {
        if (wakes) {
            function.connectIrqs(this);
        }
        PowerManagement states = power;
        if (states != null) {
            // From whatever state the user has chosen.
            states.change(D0);
            states.change(D3_HOT);
        }
    }

    private void resume() {
        PowerManagement states = power;
        if (states != null) {
            states.change(D0);
        }
        if (wakes) {
            function.connectIrqs(interrupts);
            wakeUp.signalOnce(0);
            end();
        }
    }

    private void end() {
        engaged = false;
        wakes = false;
        wakeUp.disable();
    }
}
