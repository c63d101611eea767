package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.ErrnoException;

/**
 * A namespace that a controller has from the beginning.
 *
 * @param backend its storage, whole; stays the caller's
 * @param blockBytes of a logical block: 512 or 4096
 * @param ids its names, or nothing for some that are made of the subsystem's NQN and the NSID
 */
public record NamespaceOptions(BlockBackend backend, int blockBytes, Optional<NamespaceIds> ids) {

    /** @throws ErrnoException EINVAL for another size of blocks, or storage that is smaller than a block */
    public NamespaceOptions {
        if (LbaFormat.indexOf(blockBytes) < 0) {
            throw new ErrnoException(
                    EINVAL, "logical blocks of " + blockBytes + " bytes, which are neither 512 nor 4096");
        }
        if (backend.sizeBytes() < blockBytes) {
            throw new ErrnoException(
                    EINVAL,
                    backend.describe() + " of " + backend.sizeBytes() + " bytes, less than a block of " + blockBytes);
        }
    }
}
