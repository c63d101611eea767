package org.vfio4j.userspace.vmm;

/**
 * Where a migration is: after a round, and now and then during a long one.
 *
 * @param round how many there were: each sends what was written during the one before
 * @param sentBytes of everything, since the beginning
 * @param leftBytes of memory, of storage and of the device's state that are to be sent now
 * @param storageLeftBytes of storage alone
 * @param bytesPerSecond how fast they go
 * @param dirtyBytesPerSecond how fast the guest and its device write memory and storage that were sent already
 * @param expectedDowntimeNs how long the guest would stand still if it were stopped now; for ever, while it is not known yet
 */
public record MigrationProgress(
        int round,
        long sentBytes,
        long leftBytes,
        long storageLeftBytes,
        double bytesPerSecond,
        double dirtyBytesPerSecond,
        long expectedDowntimeNs) {

    /** Hears of it, on the migration's thread. */
    @FunctionalInterface
    public interface Listener {
        void at(MigrationProgress progress);
    }
}
