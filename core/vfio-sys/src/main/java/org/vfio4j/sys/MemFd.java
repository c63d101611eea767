package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Anonymous memory with a descriptor: memfd_create(2). */
public final class MemFd {

    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;

    private static final MethodHandle MEMFD_CREATE =
            Native.capturing("memfd_create", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));

    private MemFd() {}

    /**
     * Makes {@code size} bytes of zeroes that can be sealed.
     *
     * @param name what /proc shows, at most 249 bytes
     */
    public static Fd create(String name, long size) {
        Fd fd = create(name);
        try {
            FileIo.truncate(fd, size);
            return fd;
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
    }

    private static Fd create(String name) {
        MemorySegment errno = Native.errnoSegment();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(name);
            int fd = (int) MEMFD_CREATE.invokeExact(errno, text, MFD_CLOEXEC | MFD_ALLOW_SEALING);
            return Fd.own((int) ErrnoException.check(Native.result(fd, errno), "memfd_create " + name));
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }
}
