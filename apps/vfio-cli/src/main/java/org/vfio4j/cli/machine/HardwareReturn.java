package org.vfio4j.cli.machine;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Gives a function's hardware back when the kernel asks for it, because it is unbound or unplugged there. The function's client is asked as
 * for any function whose driver lets it go, at once and at intervals; one that keeps it loses it. A thread does so, from the first request
 * on; further requests while it is at work change nothing, and one after a failure has it tried again.
 */
final class HardwareReturn {

    private static final Logger LOG = System.getLogger(HardwareReturn.class.getName());

    /** How long a client may keep what is wanted back: it is asked three times meanwhile. */
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final Machine machine;
    private final MachineFunction function;
    private final String name;
    private final Executor newThread;
    private final AtomicBoolean working = new AtomicBoolean();

    /** @param description what the hardware is */
    HardwareReturn(Machine machine, MachineFunction function, String description) {
        this(
                machine,
                function,
                description,
                work -> Thread.ofPlatform()
                        .daemon()
                        .name("vfio-return " + function.name())
                        .start(work));
    }

    /** @param newThread where the client is waited for */
    HardwareReturn(Machine machine, MachineFunction function, String description, Executor newThread) {
        this.machine = machine;
        this.function = function;
        this.name = function.name() + " (" + description + ")";
        this.newThread = newThread;
    }

    /** The kernel asks. Any thread; does not block. */
    void requested() {
        if (!working.compareAndSet(false, true)) {
            return;
        }
        try {
            newThread.execute(this::giveBack);
        } catch (OutOfMemoryError e) {
            // No more threads for this process or user. The kernel asks again.
            working.set(false);
            LOG.log(Level.WARNING, "{0}: the kernel wants it back, and there is no thread for that: {1}", name, e);
        }
    }

    private void giveBack() {
        try {
            LOG.log(Level.WARNING, "{0}: the kernel wants it back", name);
            machine.giveBack(function, LIMIT);
            LOG.log(Level.WARNING, "{0}: this process has let it go; it is not served any more", name);
        } catch (RuntimeException e) {
            LOG.log(Level.WARNING, "{0}: it cannot be given back: {1}", name, e);
        } finally {
            working.set(false);
        }
    }
}
