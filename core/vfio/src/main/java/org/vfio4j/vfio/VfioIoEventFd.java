package org.vfio4j.vfio;

import org.vfio4j.sys.Fd;

/**
 * A register that is written by signalling an eventfd, so that a hypervisor's kernel can do it without the monitor
 * ({@code KVM_IOEVENTFD}).
 *
 * @param offset of the register in its region
 * @param sizeBytes width of the writes that it stands for; 0 for any
 * @param flags {@code KVM_IOEVENTFD_FLAG_*}: whether {@code datamatch} counts
 * @param datamatch the value whose write it stands for
 * @param fd the eventfd; whoever hands it out keeps it, and it is good for as long as the device is open. {@link Fd#none} when
 *     such a write is to do nothing
 */
public record VfioIoEventFd(long offset, int sizeBytes, int flags, long datamatch, Fd fd) {}
