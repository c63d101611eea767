package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.List;
import org.vfio4j.bus.PciBar;

/**
 * COMMAND and STATUS (PCI Local Bus 3.0, 6.2.2 and 6.2.3). Memory, I/O and bus master pass through to the function; INTx disable
 * and INTx status are vfio's, and reach the function by its {@link IntxPin}. A function without a memory bit, as a virtual function is (PCI Express Base 6.0, 9.3.4.1.3), always
 * decodes memory, and its user sees a bit that is set. Used by the user's thread.
 */
final class CommandRegister implements ConfigHook {

    private final ConfigSpace config;
    private final BarAddresses addresses;
    private final Decode decode;
    private final IntxContext intx;
    private final IntxPin pin;
    private boolean alwaysDecodesMemory;

    CommandRegister(ConfigSpace config, BarAddresses addresses, Decode decode, IntxContext intx, IntxPin pin) {
        this.config = config;
        this.addresses = addresses;
        this.decode = decode;
        this.intx = intx;
        this.pin = pin;
    }

    /** The function has been told to decode memory and I/O. */
    void install(List<PciBar> bars) {
        boolean hasMemory = bars.stream().anyMatch(bar -> bar.kind() != PciBar.Kind.IO);
        alwaysDecodesMemory = hasMemory && (config.hardware(PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) == 0;
        if (alwaysDecodesMemory) {
            config.perms().setWord(PCI_COMMAND, PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MEMORY, PermTable.ALL);
            config.set(PCI_COMMAND, 2, config.get(PCI_COMMAND, 2) | PCI_COMMAND_MEMORY);
        }
        config.hook(PCI_COMMAND, this);
        update();
    }

    /** Makes the function bus master or not, whatever its user writes to the register. */
    void setMaster(boolean on) {
        if (on) {
            decode.enableMaster(true);
        }
        config.changeHardware(PCI_COMMAND, 2, PCI_COMMAND_MASTER, on ? PCI_COMMAND_MASTER : 0);
        update();
    }

    @Override
    public void beforeRead() {
        int status = config.get(PCI_STATUS, 2) & ~PCI_STATUS_INTERRUPT;
        boolean asserted = intx.isAsserted() || pin.reports();
        config.set(PCI_STATUS, 2, asserted ? status | PCI_STATUS_INTERRUPT : status);
    }

    /** Before the function decodes anything its BARs are right, and before it masters the bus it may. */
    @Override
    public void beforeWrite(int offset, int width, int value) {
        if (offset >= PCI_STATUS) {
            return;
        }
        if (addresses.areLost()) {
            addresses.restore();
        }
        if (offset == PCI_COMMAND && (value & PCI_COMMAND_MASTER) != 0) {
            decode.enableMaster(true);
        }
    }

    @Override
    public void written(int offset, int width, int value) {
        if (offset >= PCI_STATUS) {
            return;
        }
        update();
        boolean disabled = (config.get(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) != 0;
        pin.setDisabledByUser(disabled);
        intx.setDisabled(disabled);
    }

    /** The function's register may have changed. */
    void update() {
        int command = config.hardware(PCI_COMMAND, 2);
        decode.enable(alwaysDecodesMemory || (command & PCI_COMMAND_MEMORY) != 0, (command & PCI_COMMAND_IO) != 0);
        decode.enableMaster((command & PCI_COMMAND_MASTER) != 0);
    }
}
