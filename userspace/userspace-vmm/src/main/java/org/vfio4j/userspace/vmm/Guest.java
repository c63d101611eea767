package org.vfio4j.userspace.vmm;

/**
 * A program that a hypervisor runs: all that it is can be told in bytes, apart from its memory and its device, so that it goes on
 * elsewhere. Called by the hypervisor's thread; it has threads of its own.
 */
public interface Guest {

    /** Which {@link GuestLoader} knows it. */
    String kind();

    /** What it depends on in its device, for {@link GuestLoader#check}. While it runs. */
    byte[] shape();

    /**
     * Tells its memory what it may have {@linkplain GuestMemory#written written} since the last time and has not told itself. It may go
     * on writing meanwhile, unless it is stopped.
     */
    void tellWritten();

    /** Stops: when this returns, no thread of it touches memory or device. */
    void stop();

    /** What it is. While it is stopped. */
    byte[] save();

    /** Goes on after {@link #stop}, or begins after {@link GuestLoader#load}. */
    void resume();

    /** Ends without a trace in the device, where it has gone on elsewhere, or will never begin. It is stopped. */
    void forget();
}
