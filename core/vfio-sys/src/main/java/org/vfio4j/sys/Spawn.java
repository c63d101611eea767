package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/** Runs a program that inherits a descriptor, which {@link ProcessBuilder} would close: posix_spawnp(3). */
public final class Spawn {

    /** At least what posix_spawn_file_actions_t takes in any C library. */
    private static final long FILE_ACTIONS_SIZEOF = 256;

    private static final CFunction ACTIONS_INIT = CFunction.of("posix_spawn_file_actions_init");
    private static final CFunction ACTIONS_DUP2 = CFunction.of("posix_spawn_file_actions_adddup2");
    private static final CFunction ACTIONS_DESTROY = CFunction.of("posix_spawn_file_actions_destroy");
    private static final CFunction POSIX_SPAWNP = CFunction.of("posix_spawnp");
    private static final CFunction WAITPID = CFunction.of("waitpid");

    private Spawn() {}

    /**
     * Runs a program to its end.
     *
     * @param command the program, looked up in PATH, and its arguments
     * @param environment all of it
     * @param passed what it gets
     * @param as under which number it gets it
     * @return its exit code, or 128 and the signal that ended it
     * @throws ErrnoException ENOENT when there is no such program, or what else keeps it from being started
     */
    public static int run(List<String> command, Map<String, String> environment, Fd passed, int as) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment actions = arena.allocate(FILE_ACTIONS_SIZEOF, Long.BYTES);
            ACTIONS_INIT.callInt(actions.address());
            MemorySegment pid = arena.allocate(JAVA_INT);
            try {
                ACTIONS_DUP2.callInt(actions.address(), passed.value(), as);
                List<String> variables = environment.entrySet().stream()
                        .map(variable -> variable.getKey() + "=" + variable.getValue())
                        .toList();
                // Unlike others, this call returns the errno.
                int errno = POSIX_SPAWNP.callInt(
                        pid.address(),
                        arena.allocateFrom(command.getFirst()).address(),
                        actions.address(),
                        0,
                        strings(arena, command).address(),
                        strings(arena, variables).address());
                if (errno != 0) {
                    throw new ErrnoException(errno < 0 ? ENOENT : errno, "run " + command.getFirst());
                }
            } finally {
                ACTIONS_DESTROY.callInt(actions.address());
            }
            return await(arena, pid.get(JAVA_INT, 0), command.getFirst());
        }
    }

    private static int await(Arena arena, int pid, String what) {
        MemorySegment status = arena.allocate(JAVA_INT);
        int result;
        do {
            result = WAITPID.callInt(pid, status.address(), 0);
        } while (result == -EINTR);
        ErrnoException.check(result, "wait for " + what);
        int signal = status.get(JAVA_INT, 0) & 0x7f;
        return signal == 0 ? status.get(JAVA_INT, 0) >>> 8 & 0xff : 128 + signal;
    }

    /** An array of addresses of strings, with a null at its end. */
    private static MemorySegment strings(Arena arena, List<String> texts) {
        MemorySegment array = arena.allocate(ADDRESS, texts.size() + 1L);
        for (int i = 0; i < texts.size(); i++) {
            array.setAtIndex(JAVA_LONG, i, arena.allocateFrom(texts.get(i)).address());
        }
        return array;
    }
}
