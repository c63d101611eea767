package org.vfio4j.vfiouser;

/**
 * How a {@link VfioUserClient} behaves.
 *
 * @param timeoutNs how long to wait for a reply; then the connection is given up
 * @param spinNs how long to look for a reply before blocking; 0 blocks at once
 * @param postedWrites whether region writes ask for no reply: faster, and their errors stay unknown
 */
public record VfioUserClientOptions(long timeoutNs, long spinNs, boolean postedWrites) {

    /** Five seconds, a short spin, and an answer to every write. */
    public static final VfioUserClientOptions DEFAULTS = new VfioUserClientOptions(5_000_000_000L, 50_000, false);

    /** The same with another limit of waiting. */
    public VfioUserClientOptions withTimeoutNs(long ns) {
        return new VfioUserClientOptions(ns, spinNs, postedWrites);
    }

    /** The same with another time to spin. */
    public VfioUserClientOptions withSpinNs(long ns) {
        return new VfioUserClientOptions(timeoutNs, ns, postedWrites);
    }

    /** The same with posted writes, or without. */
    public VfioUserClientOptions withPostedWrites(boolean posted) {
        return new VfioUserClientOptions(timeoutNs, spinNs, posted);
    }
}
