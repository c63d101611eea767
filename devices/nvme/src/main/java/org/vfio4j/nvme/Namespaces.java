package org.vfio4j.nvme;

import org.jspecify.annotations.Nullable;

/** The namespaces of a controller as the I/O path sees them. They change on the queue thread only, with nothing in flight to them. */
interface Namespaces {

    /** The largest valid NSID, which Identify calls NN: at most {@link NvmeLimits#MAX_NAMESPACES}. */
    int count();

    /**
     * The namespace that is attached, or null.
     *
     * @param nsid 1 to {@link #count}
     */
    @Nullable
    Namespace active(int nsid);
}
