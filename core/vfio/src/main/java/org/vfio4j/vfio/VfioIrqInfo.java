package org.vfio4j.vfio;

import java.util.List;

/**
 * {@code struct vfio_irq_info} (linux/vfio.h), with the capabilities that the kernel's developers proposed for device-specific
 * interrupts and never merged.
 *
 * @param index {@code VFIO_PCI_*_IRQ_INDEX}, or a device-specific one behind them
 * @param flags {@code VFIO_IRQ_INFO_*}; {@code CAPS} is left out: whether there are capabilities the last component says
 * @param count vectors of this index, 0 when the device has none
 * @param capabilities {@code VFIO_IRQ_INFO_CAP_*}
 */
public record VfioIrqInfo(int index, int flags, int count, List<VfioInfoCapability> capabilities) {

    public VfioIrqInfo {
        capabilities = List.copyOf(capabilities);
    }

    /** Without capabilities. */
    public VfioIrqInfo(int index, int flags, int count) {
        this(index, flags, count, List.of());
    }
}
