package org.vfio4j.bluefield;

import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.mlx5.ScalableFunction;
import org.vfio4j.mlx5.SfRequest;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeIdentity;
import org.vfio4j.virtioblk.VirtioBlk;

/** What a scalable function is made of: a disk, and the storage that it stands on. Who made it closes it; nobody uses it then. */
final class ScalableDisk implements AutoCloseable {

    private static final int BLOCK_BYTES = 512;
    private static final int QUEUES_PER_THREAD = 4;

    /** What the identities of virtio and NVMe disks have room for. */
    private static final int SERIAL_LENGTH = 20;

    private final String name;
    private final Vhca vhca;
    private final PciFunction function;
    private final Runnable end;
    private final BlockBackend storage;

    private ScalableDisk(String name, int vhcaId, PciFunction function, Runnable end, BlockBackend storage) {
        this.name = name;
        this.function = function;
        this.end = end;
        this.storage = storage;
        vhca = new Vhca(vhcaId, function.platform(FunctionState.class).orElseThrow());
    }

    /** @param storage the disk's from now on, also when this throws */
    static ScalableDisk of(SfRequest request, int vhcaId, BlockBackend storage) {
        try {
            return switch (request.protocol()) {
                case VIRTIO_BLK -> virtioBlk(request, vhcaId, storage);
                case NVME -> nvme(request, vhcaId, storage);
            };
        } catch (RuntimeException e) {
            storage.close();
            throw e;
        }
    }

    private static ScalableDisk virtioBlk(SfRequest request, int vhcaId, BlockBackend storage) {
        VirtioBlk disk = VirtioBlk.builder(storage)
                .name(label(request))
                .serial(serial(request))
                .queues(request.queues())
                .threads(threads(request))
                .build();
        return new ScalableDisk(request.name(), vhcaId, disk.function(), disk::close, storage);
    }

    private static ScalableDisk nvme(SfRequest request, int vhcaId, BlockBackend storage) {
        Nvme nvme = Nvme.builder(NvmeIdentity.of(serial(request)))
                .name(label(request))
                .queuePairs(request.queues())
                .threads(threads(request))
                .namespace(new NamespaceOptions(storage, BLOCK_BYTES, Optional.empty()))
                .build();
        return new ScalableDisk(request.name(), vhcaId, nvme.function(), nvme::close, storage);
    }

    /** As it was asked for. */
    String name() {
        return name;
    }

    Vhca vhca() {
        return vhca;
    }

    ScalableParts parts() {
        return new ScalableParts(function, storage);
    }

    ScalableFunction function() {
        return new ScalableFunction(vhca.id(), SnapPciFunction.withoutVirtual(function, vhca), storage.describe());
    }

    @Override
    public void close() {
        end.run();
        storage.close();
    }

    private static String label(SfRequest request) {
        return "sf-" + request.name();
    }

    private static String serial(SfRequest request) {
        String dense = request.name().replace("-", "");
        return dense.substring(0, Math.min(SERIAL_LENGTH, dense.length()));
    }

    // Threads are there while it is used.
    private static int threads(SfRequest request) {
        return Math.ceilDiv(request.queues(), QUEUES_PER_THREAD);
    }
}
