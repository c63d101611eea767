package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_MASKALL;

/**
 * The MSI-X capability (PCI Local Bus 3.0, 6.8.2): the function mask acts on all vectors. The enable bit is remembered, to no
 * effect: SET_IRQS enables. Used by the user's thread.
 */
final class MsixControl implements ConfigHook {

    private final ConfigSpace config;
    private final VectorContext vectors;
    private final int pos;

    MsixControl(ConfigSpace config, VectorContext vectors, int pos) {
        this.config = config;
        this.vectors = vectors;
        this.pos = pos;
    }

    void install() {
        config.hook(pos, this);
    }

    @Override
    public void written(int offset, int width, int value) {
        vectors.setFunctionMasked((config.get(pos + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_MASKALL) != 0);
    }
}
