package org.vfio4j.vfiopcis390;

/**
 * A group of functions: the fields of {@code struct vfio_device_info_cap_zpci_group} (linux/vfio_zdev.h).
 *
 * @param dasm mask of DMA address spaces
 * @param msiAddr where message-signalled interrupts go
 * @param flags {@code VFIO_DEVICE_INFO_ZPCI_FLAG_*}
 * @param mui interval of measurement block updates
 * @param noi most interrupts
 * @param maxstbl longest store block
 * @param version of PCI that is supported
 * @param imaxstbl longest store block that is interpreted
 */
public record ZpciGroup(
        long dasm, long msiAddr, long flags, int mui, int noi, int maxstbl, int version, int imaxstbl) {}
