package org.vfio4j.vfiopcicore;

import java.lang.System.Logger.Level;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SharedEventFd;

/**
 * INTx: a level that becomes an event. A signal masks the interrupt (automask), and unmasking sends it again while the function
 * still asserts its pin. Safe for all threads; the lock is held for a moment only, over at most one signal to an eventfd.
 */
final class IntxContext {

    private static final System.Logger LOG = System.getLogger(IntxContext.class.getName());

    // All guarded by this.
    private @Nullable Fd eventFd;
    private boolean enabled;
    private boolean asserted;
    private boolean masked;
    private boolean disabled;
    private boolean failed;

    /** The function drives its pin. */
    synchronized void drive(boolean level) {
        asserted = level;
        deliver();
    }

    synchronized boolean isAsserted() {
        return asserted;
    }

    synchronized boolean isEnabled() {
        return enabled;
    }

    /** Sets where the interrupt goes, which enables it; nothing is sent while there is no descriptor. Returns the old one. */
    synchronized Optional<Fd> assign(Optional<Fd> newEventFd) {
        if (!enabled) {
            enabled = true;
            masked = disabled;
        }
        Optional<Fd> old = Optional.ofNullable(eventFd);
        eventFd = newEventFd.orElse(null);
        deliver();
        return old;
    }

    /** Stops delivery. Returns the descriptor. */
    synchronized Optional<Fd> disable() {
        Optional<Fd> old = Optional.ofNullable(eventFd);
        eventFd = null;
        enabled = false;
        masked = false;
        return old;
    }

    synchronized void mask() {
        masked = true;
    }

    /** Lets the next interrupt through, or this one if it is still asserted. INTx disable keeps it masked. */
    synchronized void unmask() {
        if (!disabled) {
            masked = false;
            deliver();
        }
    }

    /** COMMAND's INTx disable masks when it is set, and unmasks when it is cleared. */
    synchronized void setDisabled(boolean newDisabled) {
        if (disabled == newDisabled) {
            return;
        }
        disabled = newDisabled;
        masked = newDisabled;
        deliver();
    }

    /** Sends an interrupt that the function did not ask for. */
    synchronized void trigger() {
        Fd target = eventFd;
        if (enabled && !disabled && target != null) {
            SharedEventFd.signal(target.value());
        }
    }

    private void deliver() {
        Fd target = eventFd;
        if (asserted && enabled && !masked && target != null) {
            int result = SharedEventFd.signal(target.value());
            // Who has not heard of it will not unmask it: the next level or mask's end tries again.
            masked = result == 0;
            if (result != 0 && !failed) {
                failed = true;
                LOG.log(Level.WARNING, "an INTx interrupt does not reach its eventfd: {0}", Errno.describe(-result));
            }
        }
    }
}
