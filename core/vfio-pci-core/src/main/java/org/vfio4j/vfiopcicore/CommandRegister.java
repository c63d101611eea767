package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

/**
 * COMMAND and STATUS (PCI Local Bus 3.0, 6.2.2 and 6.2.3). Memory, I/O and bus master pass through to the function; INTx disable
 * and INTx status are vfio's. Used by the user's thread.
 */
final class CommandRegister implements ConfigHook {

    private final ConfigSpace config;
    private final BarAddresses addresses;
    private final Decode decode;
    private final IntxContext intx;

    CommandRegister(ConfigSpace config, BarAddresses addresses, Decode decode, IntxContext intx) {
        this.config = config;
        this.addresses = addresses;
        this.decode = decode;
        this.intx = intx;
    }

    void install() {
        config.hook(PCI_COMMAND, this);
        update();
    }

    @Override
    public void beforeRead() {
        int status = config.get(PCI_STATUS, 2) & ~PCI_STATUS_INTERRUPT;
        config.set(PCI_STATUS, 2, intx.isAsserted() ? status | PCI_STATUS_INTERRUPT : status);
    }

    @Override
    public void written(int offset, int width, int value) {
        if (offset >= PCI_STATUS) {
            return;
        }
        if (addresses.areLost()) {
            addresses.restore();
        }
        update();
        intx.setDisabled((config.get(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) != 0);
    }

    private void update() {
        int command = config.hardware(PCI_COMMAND, 2);
        decode.enable((command & PCI_COMMAND_MEMORY) != 0, (command & PCI_COMMAND_IO) != 0);
    }
}
