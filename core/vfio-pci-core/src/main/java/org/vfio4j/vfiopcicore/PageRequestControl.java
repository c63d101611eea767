package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.PCI_PRI_CTRL;
import static org.vfio4j.uapi.PciRegs.PCI_PRI_CTRL_ENABLE;
import static org.vfio4j.uapi.PciRegs.PCI_PRI_CTRL_RESET;
import static org.vfio4j.uapi.PciRegs.PCI_PRI_STATUS;
import static org.vfio4j.uapi.PciRegs.PCI_PRI_STATUS_PASID;
import static org.vfio4j.uapi.PciRegs.PCI_PRI_STATUS_STOPPED;

/**
 * Control and status of a page request interface that nobody makes requests through (PCI Express Base 6.0, 10.5.2.2): it is
 * stopped whenever it is not enabled, and its reset is done at once. Used by the user's thread.
 */
final class PageRequestControl implements ConfigHook {

    private final ConfigSpace config;
    private final int pos;
    private final int fixedStatus;

    /** @param withPasid whether responses need a PASID: those of functions that have PASIDs do */
    PageRequestControl(ConfigSpace config, int pos, boolean withPasid) {
        this.config = config;
        this.pos = pos;
        this.fixedStatus = withPasid ? PCI_PRI_STATUS_PASID : 0;
    }

    void install() {
        config.hook(pos + PCI_PRI_CTRL, this);
        written(pos + PCI_PRI_CTRL, 2, 0);
    }

    @Override
    public void written(int offset, int width, int value) {
        int control = config.get(pos + PCI_PRI_CTRL, 2) & ~PCI_PRI_CTRL_RESET;
        boolean enabled = (control & PCI_PRI_CTRL_ENABLE) != 0;
        config.set(pos + PCI_PRI_CTRL, 2, control);
        config.set(pos + PCI_PRI_STATUS, 2, fixedStatus | (enabled ? 0 : PCI_PRI_STATUS_STOPPED));
    }
}
