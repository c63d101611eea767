package org.vfio4j.sys;

import java.lang.foreign.Arena;

/** Anonymous memory with a descriptor: memfd_create(2). */
public final class MemFd {

    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;

    private static final CFunction MEMFD_CREATE = CFunction.of("memfd_create");

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
        try (Arena arena = Arena.ofConfined()) {
            long text = arena.allocateFrom(name).address();
            int fd = MEMFD_CREATE.callInt(text, MFD_CLOEXEC | MFD_ALLOW_SEALING);
            return Fd.own((int) ErrnoException.check(fd, "memfd_create " + name));
        }
    }
}
