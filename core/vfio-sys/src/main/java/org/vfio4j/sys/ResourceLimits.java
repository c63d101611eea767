package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalLong;

/** What the kernel lets this process have: getrlimit(2). */
public final class ResourceLimits {

    private static final int RLIMIT_MEMLOCK = 8;
    private static final long RLIM_INFINITY = -1;

    // struct rlimit {rlim_t rlim_cur; rlim_t rlim_max;}
    private static final long RLIMIT_SIZEOF = 16;

    private static final CFunction GETRLIMIT = CFunction.of("getrlimit");

    private ResourceLimits() {}

    /** Bytes that may be locked or pinned in memory, for a process without CAP_IPC_LOCK; empty for no limit. */
    public static OptionalLong lockedMemoryBytes() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment limit = arena.allocate(RLIMIT_SIZEOF, Long.BYTES);
            ErrnoException.check(GETRLIMIT.callInt(RLIMIT_MEMLOCK, limit.address()), "getrlimit RLIMIT_MEMLOCK");
            long current = limit.get(JAVA_LONG, 0);
            return current == RLIM_INFINITY ? OptionalLong.empty() : OptionalLong.of(current);
        }
    }
}
