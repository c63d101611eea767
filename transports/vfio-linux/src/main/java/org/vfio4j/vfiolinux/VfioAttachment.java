package org.vfio4j.vfiolinux;

import java.nio.file.Path;
import org.vfio4j.sys.Fd;

/**
 * An open device and where its DMA goes: the one thing that is different for each interface that a kernel has to IOMMUs. Belongs to the
 * file's user.
 */
interface VfioAttachment extends AutoCloseable {

    /** What was opened to get to the device, as {@code /dev/vfio/7}. */
    Path path();

    /** The device's descriptor, which stays the attachment's. */
    Fd device();

    /** As {@code VfioDeviceFile.dmaMap}. */
    void map(long iova, long sizeBytes, int access, Fd memory, long offset);

    /** As {@code VfioDeviceFile.dmaUnmap}. */
    void unmap(long iova, long sizeBytes);

    /** As {@code VfioDeviceFile.dmaUnmapAll}. */
    void unmapAll();

    /** Lets go of the device first, of its memory last. */
    @Override
    void close();
}
