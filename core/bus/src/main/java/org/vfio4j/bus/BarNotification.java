package org.vfio4j.bus;

/**
 * A register of a BAR by which a driver says that there is work, and whose value says no more than its place does, such as virtio's
 * notification of a queue. Whoever gives the function to a user may offer an eventfd for it instead.
 *
 * @param offset in the BAR
 * @param width of the writes that drivers make, in bytes
 * @param ring what such a write does; from any thread, and never blocks
 */
public record BarNotification(long offset, int width, Runnable ring) {}
