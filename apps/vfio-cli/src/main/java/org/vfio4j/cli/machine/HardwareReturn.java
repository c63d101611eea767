package org.vfio4j.cli.machine;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
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
    private final AtomicBoolean working = new AtomicBoolean();

    /** @param description what the hardware is */
    HardwareReturn(Machine machine, MachineFunction function, String description) {
        this.machine = machine;
        this.function = function;
        this.name = function.name() + " (" + description + ")";
    }

    /** The kernel asks. Any thread; does not block. */
    void requested() {
        if (working.compareAndSet(false, true)) {
            Thread.ofPlatform().daemon().name("vfio-return " + function.name()).start(this::giveBack);
        }
    }

    private void giveBack() {
        try {
            LOG.log(Level.WARNING, "{0}: the kernel wants it back", name);
            machine.giveBack(function, LIMIT);
            LOG.log(Level.WARNING, "{0}: the kernel has it back; it is not served any more", name);
        } catch (RuntimeException e) {
            LOG.log(Level.WARNING, "{0}: it cannot be given back: {1}", name, e);
        } finally {
            working.set(false);
        }
    }
}
