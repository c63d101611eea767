package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.Arrays;

/**
 * What a reset takes from a function and its user expects to find again: BARs, command, control words of capabilities. Saved
 * before and restored after, as pci_save_state and pci_restore_state do in the kernel. Used by the user's thread.
 */
final class HardwareState {

    private static final int[] HEADER_BYTES = {PCI_CACHE_LINE_SIZE, PCI_LATENCY_TIMER, PCI_INTERRUPT_LINE};

    private final ConfigSpace config;
    private final int[] words;
    private final int[] wordValues;
    private final BarAddresses addresses;
    private final int[] bytes = new int[HEADER_BYTES.length];

    HardwareState(ConfigSpace config, CapabilityList caps, BarAddresses addresses) {
        this.config = config;
        this.addresses = addresses;
        this.words = controlWords(config, caps);
        this.wordValues = new int[words.length];
        save();
    }

    /** Remembers everything but the BARs, which only a reset changes. */
    void save() {
        for (int i = 0; i < words.length; i++) {
            wordValues[i] = config.hardware(words[i], 2);
        }
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = config.hardware(HEADER_BYTES[i], 1);
        }
    }

    /** Brings it all back; COMMAND last, so that nothing is decoded before the BARs are right. */
    void restore() {
        addresses.restore();
        for (int i = 0; i < bytes.length; i++) {
            config.setHardware(HEADER_BYTES[i], 1, bytes[i]);
        }
        for (int i = words.length - 1; i >= 0; i--) {
            config.setHardware(words[i], 2, wordValues[i]);
        }
    }

    // COMMAND first.
    private static int[] controlWords(ConfigSpace config, CapabilityList caps) {
        int[] offsets = new int[5];
        int n = 0;
        offsets[n++] = PCI_COMMAND;
        int exp = caps.position(PCI_CAP_ID_EXP);
        if (exp != 0) {
            offsets[n++] = exp + PCI_EXP_DEVCTL;
            if ((config.hardware(exp + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_VERS) >= 2) {
                offsets[n++] = exp + PCI_EXP_DEVCTL2;
            }
        }
        if (caps.position(PCI_CAP_ID_MSI) != 0) {
            offsets[n++] = caps.position(PCI_CAP_ID_MSI) + PCI_MSI_FLAGS;
        }
        if (caps.position(PCI_CAP_ID_MSIX) != 0) {
            offsets[n++] = caps.position(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS;
        }
        return Arrays.copyOf(offsets, n);
    }
}
