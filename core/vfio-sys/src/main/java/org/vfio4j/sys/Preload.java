package org.vfio4j.sys;

import java.util.List;

/**
 * Links the system calls ahead of their use. Linking one takes milliseconds, in which a program that has more than one processor
 * can do something else.
 */
public final class Preload {

    private static final List<Class<?>> CALLERS = List.of(
            FileIo.class,
            RawMemory.class,
            FileStat.class,
            Fd.class,
            Mapping.class,
            EventFd.class,
            AioSignal.class,
            SharedEventFd.class,
            Epoll.class,
            UnixSocket.class,
            SocketIo.class,
            IoUring.class,
            Poll.class,
            CpuClock.class);

    private Preload() {}

    /** Begins to link, on a thread of its own, which ends when all are linked. */
    public static void start() {
        Thread.ofPlatform().daemon().name("vfio-preload").start(Preload::link);
    }

    private static void link() {
        for (Class<?> caller : CALLERS) {
            try {
                Class.forName(caller.getName(), true, caller.getClassLoader());
            } catch (ClassNotFoundException e) {
                throw new AssertionError(caller + " is loaded already", e);
            }
        }
    }
}
