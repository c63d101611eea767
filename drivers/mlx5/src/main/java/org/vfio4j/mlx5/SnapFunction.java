package org.vfio4j.mlx5;

/**
 * A function that a DPU emulates for its host: a physical function of its own, which the DPU has plugged in.
 *
 * @param vhcaId by which commands name it, 16 bits
 * @param domain where it sits: the PCI domain
 * @param bdf and bus, device and function there, as PCI Express's routing id has them: 0x0800 for 08:00.0
 * @param protocol what it is to its driver
 */
public record SnapFunction(int vhcaId, int domain, int bdf, Protocol protocol) {

    /** What a DPU emulates. */
    public enum Protocol {
        VIRTIO_BLK,
        NVME
    }
}
