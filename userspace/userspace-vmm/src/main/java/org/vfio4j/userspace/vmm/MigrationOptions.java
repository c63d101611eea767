package org.vfio4j.userspace.vmm;

/**
 * What a migration may cost.
 *
 * @param maxDowntimeNs how long the guest may stand still, as far as that can be foreseen
 * @param timeoutNs how long it may take until then, once everything was sent; a guest that writes faster than can be sent never gets there
 */
public record MigrationOptions(long maxDowntimeNs, long timeoutNs) {

    /** 50 ms, five minutes. */
    public static final MigrationOptions DEFAULTS = new MigrationOptions(50_000_000L, 300_000_000_000L);

    public MigrationOptions {
        if (maxDowntimeNs <= 0 || timeoutNs <= 0) {
            throw new IllegalArgumentException("downtime " + maxDowntimeNs + " ns, timeout " + timeoutNs + " ns");
        }
    }

    public MigrationOptions withMaxDowntimeNs(long ns) {
        return new MigrationOptions(ns, timeoutNs);
    }

    public MigrationOptions withTimeoutNs(long ns) {
        return new MigrationOptions(maxDowntimeNs, ns);
    }
}
