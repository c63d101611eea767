package org.vfio4j.vfio;

/**
 * {@code struct vfio_irq_info} (linux/vfio.h).
 *
 * @param index {@code VFIO_PCI_*_IRQ_INDEX}
 * @param flags {@code VFIO_IRQ_INFO_*}
 * @param count vectors of this index, 0 when the device has none
 */
public record VfioIrqInfo(int index, int flags, int count) {}
