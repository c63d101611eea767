package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.util.List;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.sys.ErrnoException;

/** What can be changed of an NVMe controller while it is used: the size of its namespace, if it has one only. */
record NvmeTuning(Nvme nvme, List<BlockBackend> namespaces) implements DeviceTuning {

    private static final int FIRST = 1;

    /** {@inheritDoc} The driver hears of it by an asynchronous event (Namespace Attribute Changed). */
    @Override
    public void resize(long sizeBytes) {
        if (namespaces.size() != 1) {
            throw new ErrnoException(
                    EOPNOTSUPP, "resize of a controller with " + namespaces.size() + " namespaces: the limit is 1");
        }
        BlockBackend storage = namespaces.getFirst();
        storage.grow(sizeBytes);
        nvme.setStorage(FIRST, storage);
    }
}
