package org.vfio4j.userspace.vmm;

/**
 * A guest, its memory, which is mapped for its device, and the device. Whoever made it closes device and memory, in this order, when
 * the guest has ended.
 */
public record VirtualMachine(GuestDevice device, GuestMemory memory, Guest guest) {}
