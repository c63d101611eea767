package org.vfio4j.vfiouser;

import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_MAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_UNMAP;

import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawMessage;

/** DMA_MAP and DMA_UNMAP messages for tests. */
final class DmaMessages {

    static final int READ = 1;
    static final int WRITE = 2;
    static final int READ_WRITE = 3;

    private DmaMessages() {}

    static RawMessage map(int flags, long offset, long iova, long size) {
        return RawMessage.command(
                VFIO_USER_DMA_MAP,
                new Payload().u32(32).u32(flags).u64(offset).u64(iova).u64(size));
    }

    static RawMessage unmap(int argsz, int flags, long iova, long size) {
        return RawMessage.command(
                VFIO_USER_DMA_UNMAP,
                new Payload().u32(argsz).u32(flags).u64(iova).u64(size));
    }
}
