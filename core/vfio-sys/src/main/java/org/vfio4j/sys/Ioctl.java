package org.vfio4j.sys;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * Requests to a driver by descriptor: ioctl(2). Failures name the request and the descriptor, as {@code ioctl VFIO_DEVICE_RESET fd=12:
 * EINVAL (Invalid argument)}.
 */
public final class Ioctl {

    private static final CFunction IOCTL = CFunction.of("ioctl");

    private Ioctl() {}

    /**
     * A request whose argument is a number.
     *
     * @param name of the request, for the message
     * @return what the driver returns: 0, or a number that the request gives a meaning
     */
    public static int call(Fd fd, long request, String name, long argument) {
        int number = fd.value();
        int result = IOCTL.callInt(number, request, argument);
        return (int) ErrnoException.check(result, result < 0 ? "ioctl " + name + " fd=" + number : "");
    }

    /**
     * A request whose argument is a structure, which the driver reads, writes or both.
     *
     * @param structure in native memory, as large as the request says
     */
    public static int call(Fd fd, long request, String name, MemorySegment structure) {
        if (!structure.isNative()) {
            throw new IllegalArgumentException("ioctl " + name + ": its structure is in no native memory");
        }
        try {
            return call(fd, request, name, structure.address());
        } finally {
            Reference.reachabilityFence(structure);
        }
    }
}
