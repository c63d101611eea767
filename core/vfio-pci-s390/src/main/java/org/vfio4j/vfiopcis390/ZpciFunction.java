package org.vfio4j.vfiopcis390;

/**
 * A function, as a query of the machine describes it: the fields of {@code struct vfio_device_info_cap_zpci_base} (linux/vfio_zdev.h).
 *
 * @param startDma first DMA address that it can use
 * @param endDma last DMA address that it can use
 * @param pchid physical channel
 * @param vfn number of the virtual function
 * @param fmbLength bytes of its measurement block
 * @param pft function type
 * @param gid group
 * @param fh handle
 * @param ccdfErrLength bytes of an error event
 */
public record ZpciFunction(
        long startDma, long endDma, int pchid, int vfn, int fmbLength, int pft, int gid, int fh, int ccdfErrLength) {}
