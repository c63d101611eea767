package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.PCI_AF_CAP;
import static org.vfio4j.uapi.PciRegs.PCI_AF_CAP_FLR;
import static org.vfio4j.uapi.PciRegs.PCI_AF_CAP_TP;
import static org.vfio4j.uapi.PciRegs.PCI_AF_CTRL;
import static org.vfio4j.uapi.PciRegs.PCI_AF_CTRL_FLR;

/** Function level reset of a conventional function (PCI Advanced Capabilities ECN, 2006). Used by the user's thread. */
final class AdvancedFeatures implements ConfigHook {

    private static final int BOTH = PCI_AF_CAP_FLR | PCI_AF_CAP_TP;

    private final ConfigSpace config;
    private final Runnable reset;
    private final int pos;

    AdvancedFeatures(ConfigSpace config, Runnable reset, int pos) {
        this.config = config;
        this.reset = reset;
        this.pos = pos;
    }

    void install() {
        config.hook(pos + PCI_AF_CTRL, this);
    }

    @Override
    public void written(int offset, int width, int value) {
        int control = config.get(pos + PCI_AF_CTRL, 1);
        if ((control & PCI_AF_CTRL_FLR) != 0) {
            config.set(pos + PCI_AF_CTRL, 1, control & ~PCI_AF_CTRL_FLR);
            if ((config.hardware(pos + PCI_AF_CAP, 1) & BOTH) == BOTH) {
                reset.run();
            }
        }
    }
}
