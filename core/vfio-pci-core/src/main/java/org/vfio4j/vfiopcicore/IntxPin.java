package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

/**
 * The function's own INTx disable and interrupt status (PCI Local Bus 3.0, 6.2.2 and 6.2.3). What the user says by INTx disable
 * reaches the function, whose pin is quiet then, unless it cannot be masked so: because facts or {@code nointxmask} say it, or
 * because the bit does not stay set. Then its interrupts are masked only where they arrive, at {@link IntxContext}, as the kernel
 * masks them at the interrupt controller. The kernel gives such a function a line of its own for that; here each has one. Used by the
 * user's thread.
 */
final class IntxPin {

    private final ConfigSpace config;
    private final boolean maskable;
    private boolean disabledByUser;
    private boolean sendsMessages;

    /** @param mayMask false when the function's registers are not to be used for this */
    IntxPin(ConfigSpace config, boolean mayMask) {
        this.config = config;
        maskable = mayMask && config.get(PCI_INTERRUPT_PIN, 1) != 0 && keepsDisable(config);
    }

    /** The user's COMMAND has INTx disable set, or not. */
    void setDisabledByUser(boolean disabled) {
        disabledByUser = disabled;
        update();
    }

    /** The function sends MSI or MSI-X messages from now on, or no longer: its pin is off meanwhile, however it is masked. */
    void setSendsMessages(boolean on) {
        sendsMessages = on;
        update();
    }

    /** Whether the function has an interrupt to report, though INTx disable may keep it from driving its pin. */
    boolean reports() {
        return maskable && (config.hardware(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT) != 0;
    }

    private void update() {
        boolean off = sendsMessages || (maskable && disabledByUser);
        boolean isOff = (config.hardware(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) != 0;
        if (off != isOff) {
            write(config, off);
        }
    }

    /** pci_intx_mask_supported: whether the bit can be set; it is clear afterwards. */
    private static boolean keepsDisable(ConfigSpace config) {
        write(config, true);
        boolean kept = (config.hardware(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) != 0;
        write(config, false);
        return kept;
    }

    private static void write(ConfigSpace config, boolean off) {
        config.changeHardware(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE, off ? PCI_COMMAND_INTX_DISABLE : 0);
    }
}
