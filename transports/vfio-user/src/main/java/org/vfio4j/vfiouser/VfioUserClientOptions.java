package org.vfio4j.vfiouser;

/**
 * How a {@link VfioUserClient} behaves.
 *
 * @param timeoutNs how long to wait for a reply; then the connection is given up
 * @param spinNs how long to look for a reply before blocking; 0 blocks at once
 * @param postedWrites whether region writes ask for no reply: faster, and their errors stay unknown
 * @param twinSocket whether to ask for a second socket, on which the server sends its requests: it gets answers even while it
 *     works on a command of the client
 */
public record VfioUserClientOptions(long timeoutNs, long spinNs, boolean postedWrites, boolean twinSocket) {

    /** Five seconds, a short spin, an answer to every write, and one socket for everything. */
    public static final VfioUserClientOptions DEFAULTS =
            new VfioUserClientOptions(5_000_000_000L, 50_000, false, false);

    /** The same with another limit of waiting. */
    public VfioUserClientOptions withTimeoutNs(long ns) {
        return new VfioUserClientOptions(ns, spinNs, postedWrites, twinSocket);
    }

    /** The same with another time to spin. */
    public VfioUserClientOptions withSpinNs(long ns) {
        return new VfioUserClientOptions(timeoutNs, ns, postedWrites, twinSocket);
    }

    /** The same with posted writes, or without. */
    public VfioUserClientOptions withPostedWrites(boolean posted) {
        return new VfioUserClientOptions(timeoutNs, spinNs, posted, twinSocket);
    }

    /** The same with a second socket, or without. */
    public VfioUserClientOptions withTwinSocket(boolean twin) {
        return new VfioUserClientOptions(timeoutNs, spinNs, postedWrites, twin);
    }
}
