package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

/**
 * Device control of the PCI Express capability (PCI Express Base 6.0, 7.5.3.4): function level reset, and the read request
 * size, which may be lowered no further than the payload size of the link. Used by the user's thread.
 */
final class ExpressControl implements ConfigHook {

    private static final int SIZE_BITS = 7;

    private final ConfigSpace config;
    private final Runnable reset;
    private final int pos;
    private int readRequest;

    ExpressControl(ConfigSpace config, Runnable reset, int pos) {
        this.config = config;
        this.reset = reset;
        this.pos = pos;
        this.readRequest = config.get(pos + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_READRQ;
    }

    void install() {
        config.hook(pos + PCI_EXP_DEVCTL, this);
    }

    @Override
    public void written(int offset, int width, int value) {
        int control = config.get(pos + PCI_EXP_DEVCTL, 2);
        if ((control & PCI_EXP_DEVCTL_BCR_FLR) != 0) {
            // The bit always reads as zero. Cleared first, so that one write is one reset.
            control &= ~PCI_EXP_DEVCTL_BCR_FLR;
            config.set(pos + PCI_EXP_DEVCTL, 2, control);
            if ((config.hardware(pos + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR) != 0) {
                reset.run();
            }
        }
        if ((control & PCI_EXP_DEVCTL_READRQ) != readRequest) {
            readRequest = control & PCI_EXP_DEVCTL_READRQ;
            int payload = (config.hardware(pos + PCI_EXP_DEVCTL, 2) >> 5) & SIZE_BITS;
            int size = Math.max(readRequest >> 12, payload);
            config.changeHardware(pos + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_READRQ, size << 12);
        }
    }
}
