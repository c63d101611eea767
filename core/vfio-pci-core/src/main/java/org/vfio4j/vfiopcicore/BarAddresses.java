package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_0;
import static org.vfio4j.uapi.PciRegs.PCI_ROM_ADDRESS;

import org.vfio4j.bus.PciFunction;

/**
 * The addresses that the bus gave a function's BARs and its expansion ROM. A reset takes them from the function; whoever resets it gives them back.
 * Used by the user's thread.
 */
final class BarAddresses {

    private static final int ROM = 6;

    private final PciFunction function;
    private final int[] registers = new int[ROM + 1];

    /** Remembers what the function has now. */
    BarAddresses(PciFunction function) {
        this.function = function;
        for (int i = 0; i < registers.length; i++) {
            registers[i] = function.configRead(register(i), Integer.BYTES);
        }
    }

    /** Whether the function has been reset behind our back: its BARs are not those that it had. */
    boolean areLost() {
        for (int i = 0; i < registers.length; i++) {
            if (function.configRead(register(i), Integer.BYTES) != registers[i]) {
                return true;
            }
        }
        return false;
    }

    void restore() {
        for (int i = 0; i < registers.length; i++) {
            function.configWrite(register(i), Integer.BYTES, registers[i]);
        }
    }

    private static int register(int i) {
        return i == ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + Integer.BYTES * i;
    }
}
