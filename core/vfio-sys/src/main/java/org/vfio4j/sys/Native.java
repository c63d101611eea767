package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Calls into the C library. Handles made by {@link #capturing} take a segment for errno as their first argument: the calling
 * thread's own, from {@link #errnoSegment}.
 */
final class Native {

    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup LIBC = LINKER.defaultLookup();
    private static final Linker.Option CAPTURE = Linker.Option.captureCallState("errno");
    private static final MemoryLayout CAPTURE_LAYOUT = Linker.Option.captureStateLayout();
    private static final long ERRNO_OFFSET = CAPTURE_LAYOUT.byteOffset(MemoryLayout.PathElement.groupElement("errno"));

    // Automatic arenas: a thread's segment is reclaimed with the thread.
    private static final ThreadLocal<MemorySegment> ERRNO =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE_LAYOUT));

    private Native() {}

    /** A function whose errno is not wanted. */
    static MethodHandle plain(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(symbol(name), type);
    }

    /** A function that leaves its errno in the segment that is its first argument. */
    static MethodHandle capturing(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(symbol(name), type, CAPTURE);
    }

    /** As {@link #capturing}, for a variadic function: arguments from index {@code firstVariadic} on are variadic. */
    static MethodHandle capturingVariadic(String name, FunctionDescriptor type, int firstVariadic) {
        return LINKER.downcallHandle(symbol(name), type, CAPTURE, Linker.Option.firstVariadicArg(firstVariadic));
    }

    /** The calling thread's segment for errno. */
    static MemorySegment errnoSegment() {
        return ERRNO.get();
    }

    /** The errno that the last capturing call of this thread left. */
    static int errno(MemorySegment captured) {
        return captured.get(JAVA_INT, ERRNO_OFFSET);
    }

    /** The result of a call that says -1 on failure: itself, or the negative errno. */
    static long result(long result, MemorySegment captured) {
        return result == -1 ? -errno(captured) : result;
    }

    /** The result of a call that says -1 on failure: itself, or the negative errno. */
    static int result(int result, MemorySegment captured) {
        return result == -1 ? -errno(captured) : result;
    }

    /** For what a method handle cannot throw but must declare. */
    static AssertionError unexpected(Throwable t) {
        if (t instanceof Error error) {
            throw error;
        }
        return new AssertionError("a downcall threw", t);
    }

    private static MemorySegment symbol(String name) {
        return LIBC.find(name)
                .orElseThrow(() -> new UnsatisfiedLinkError(
                        "the C library has no function " + name + ": vfio4j needs Linux with glibc 2.28 or newer"));
    }

    static {
        if (ValueLayout.ADDRESS.byteSize() != Long.BYTES) {
            throw new ExceptionInInitializerError("vfio4j needs a 64-bit machine");
        }
    }
}
