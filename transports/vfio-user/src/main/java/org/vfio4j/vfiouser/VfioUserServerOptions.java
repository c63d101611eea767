package org.vfio4j.vfiouser;

/**
 * How a {@link VfioUserServer} treats its clients.
 *
 * @param trustClient whether guest memory is mapped even if the client could shrink it, which would end this process
 * @param maxDmaMaps maps that a client may have at once
 * @param dmaTimeoutNs how long to wait for a client that is asked for guest memory
 * @param replaceable whether another server can go on with its clients at any moment: they get no descriptor that only this one sees
 */
public record VfioUserServerOptions(boolean trustClient, int maxDmaMaps, long dmaTimeoutNs, boolean replaceable) {

    /** For a client that nobody vouches for. */
    public static final VfioUserServerOptions DEFAULTS = new VfioUserServerOptions(false, 65535, 5_000_000_000L, false);

    /** The same for a client that the operator trusts, or does not. */
    public VfioUserServerOptions withTrustClient(boolean trusted) {
        return new VfioUserServerOptions(trusted, maxDmaMaps, dmaTimeoutNs, replaceable);
    }

    /** The same with another limit of maps. */
    public VfioUserServerOptions withMaxDmaMaps(int maps) {
        return new VfioUserServerOptions(trustClient, maps, dmaTimeoutNs, replaceable);
    }

    /** The same with another limit of waiting. */
    public VfioUserServerOptions withDmaTimeoutNs(long ns) {
        return new VfioUserServerOptions(trustClient, maxDmaMaps, ns, replaceable);
    }

    /** The same for a server behind a {@link VfioUserRelay}, or not. */
    public VfioUserServerOptions withReplaceable(boolean canBe) {
        return new VfioUserServerOptions(trustClient, maxDmaMaps, dmaTimeoutNs, canBe);
    }
}
