package org.vfio4j.block;

/** Takes completions of a {@link BlockQueue}. */
public interface BlockCompletion {

    /**
     * @param tag the request's
     * @param result bytes moved, 0 for a request that moves none, or a negative errno
     */
    void complete(int tag, int result);
}
