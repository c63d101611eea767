package org.vfio4j.userspace.vmm;

import org.vfio4j.sys.ErrnoException;

/** Makes guests of one kind from what others of their kind have told of themselves, which may be anything. */
public interface GuestLoader {

    String kind();

    /**
     * Whether a device, which is not in use, has what a guest depends on.
     *
     * @param shape what {@link Guest#shape} gave
     * @throws ErrnoException with the reason when it has not
     */
    void check(GuestDevice device, byte[] shape);

    /**
     * Makes a guest that has not begun. The device has its state and is stopped.
     *
     * @param state what {@link Guest#save} gave
     * @throws ErrnoException EINVAL for a state that makes no sense; what the device says
     */
    Guest load(GuestDevice device, GuestMemory memory, byte[] state);
}
