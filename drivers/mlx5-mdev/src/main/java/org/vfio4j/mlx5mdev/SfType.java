package org.vfio4j.mlx5mdev;

import static org.vfio4j.mlx5.SnapFunction.Protocol.NVME;
import static org.vfio4j.mlx5.SnapFunction.Protocol.VIRTIO_BLK;

import java.util.List;
import java.util.Optional;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5core.Mlx5CoreDriver;

/**
 * A type of scalable functions.
 *
 * @param mdevType as others see it
 * @param protocol what it is to its driver
 * @param queues of one
 * @param sizeBytes of one's disk
 */
record SfType(MdevType mdevType, SnapFunction.Protocol protocol, int queues, long sizeBytes) {

    private static final String DEVICE_API = "vfio-pci";
    private static final long MIB = 1 << 20;

    /** What there is. */
    static final List<SfType> ALL = List.of(
            type(VIRTIO_BLK, "small", 1, 64),
            type(VIRTIO_BLK, "medium", 4, 1 << 10),
            type(VIRTIO_BLK, "large", 16, 16 << 10),
            type(NVME, "small", 1, 64),
            type(NVME, "medium", 4, 1 << 10),
            type(NVME, "large", 16, 16 << 10));

    /** What others see as {@code type}, which is one of these. */
    static SfType of(MdevType type) {
        return ALL.stream()
                .filter(each -> each.mdevType.equals(type))
                .findFirst()
                .orElseThrow();
    }

    private static SfType type(SnapFunction.Protocol protocol, String size, int queues, int mib) {
        String kind = protocol == NVME ? "nvme" : "virtio_blk";
        String pretty = (protocol == NVME ? "NVMe controller, " : "virtio-blk disk, ") + size;
        String what = protocol == NVME ? "queue pair" : "queue";
        MdevType mdevType = new MdevType(
                Mlx5CoreDriver.NAME + "-" + kind + "_" + size,
                DEVICE_API,
                pretty,
                Optional.of(queues + " " + what + (queues == 1 ? "" : "s") + ", " + mib + " MiB"));
        return new SfType(mdevType, protocol, queues, mib * MIB);
    }
}
