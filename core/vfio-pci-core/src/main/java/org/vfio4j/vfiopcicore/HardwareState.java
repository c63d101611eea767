package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.Arrays;

/**
 * What a reset takes from a function and its user expects to find again: BARs, command, control words of capabilities. Saved
 * before and restored after, as pci_save_state and pci_restore_state do in the kernel. Used by the user's thread.
 */
final class HardwareState {

    private static final int[] HEADER_BYTES = {PCI_CACHE_LINE_SIZE, PCI_LATENCY_TIMER, PCI_INTERRUPT_LINE};

    /** Capability and register. */
    private static final int[][] CONTROL_WORDS = {
        {PCI_CAP_ID_EXP, PCI_EXP_DEVCTL},
        {PCI_CAP_ID_EXP, PCI_EXP_DEVCTL2},
        {PCI_CAP_ID_MSI, PCI_MSI_FLAGS},
        {PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS}
    };

    private final ConfigSpace config;
    private final int[] words;
    private final int[] wordValues;
    private final BarAddresses addresses;
    private final int[] bytes = new int[HEADER_BYTES.length];

    HardwareState(ConfigSpace config, CapabilityList caps, BarAddresses addresses) {
        this.config = config;
        this.addresses = addresses;
        this.words = controlWords(caps);
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
    private static int[] controlWords(CapabilityList caps) {
        int[] offsets = new int[1 + CONTROL_WORDS.length];
        int n = 0;
        offsets[n++] = PCI_COMMAND;
        for (int[] word : CONTROL_WORDS) {
            if (caps.hasWord(word[0], word[1])) {
                offsets[n++] = caps.position(word[0]) + word[1];
            }
        }
        return Arrays.copyOf(offsets, n);
    }
}
