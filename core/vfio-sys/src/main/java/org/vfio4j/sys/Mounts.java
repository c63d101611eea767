package org.vfio4j.sys;

import java.lang.foreign.Arena;
import java.nio.file.Path;

/** Mounting and unmounting: mount(2), umount2(2). Only a process with CAP_SYS_ADMIN may. */
public final class Mounts {

    public static final int MS_NOSUID = 2;
    public static final int MS_NODEV = 4;
    public static final int MNT_DETACH = 2;

    private static final CFunction MOUNT = CFunction.of("mount");
    private static final CFunction UMOUNT2 = CFunction.of("umount2");

    private Mounts() {}

    /**
     * Mounts a file system.
     *
     * @param source what /proc/mounts says first
     * @param type as {@code fuse}
     * @param flags {@code MS_*}
     * @param data the type's options
     * @return 0 or a negative errno
     */
    public static int mount(String source, Path target, String type, int flags, String data) {
        try (Arena arena = Arena.ofConfined()) {
            return MOUNT.callInt(
                    arena.allocateFrom(source).address(),
                    arena.allocateFrom(target.toString()).address(),
                    arena.allocateFrom(type).address(),
                    flags,
                    arena.allocateFrom(data).address());
        }
    }

    /**
     * Unmounts what is mounted last at a directory.
     *
     * @param flags {@code MNT_*}
     * @return 0 or a negative errno
     */
    public static int unmount(Path target, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return UMOUNT2.callInt(arena.allocateFrom(target.toString()).address(), flags);
        }
    }
}
