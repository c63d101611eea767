package org.vfio4j.userspace.vmm;

/**
 * A migration that has succeeded: the guest runs on the other side.
 *
 * @param rounds before the guest was stopped
 * @param sentBytes of everything
 * @param totalNs from the first byte to the end
 * @param downtimeNs from when the guest was told to stop to when the other side said that it runs
 * @param bytesPerSecond of the rounds
 */
public record MigrationResult(int rounds, long sentBytes, long totalNs, long downtimeNs, double bytesPerSecond) {}
