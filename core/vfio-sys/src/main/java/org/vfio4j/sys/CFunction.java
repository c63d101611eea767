package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/**
 * A function of the C library that takes and returns numbers and addresses. Whoever passes an address keeps alive what it points
 * to.
 *
 * <p>Each function is called as if it took {@value #ARGUMENTS} arguments of 64 bits: on Linux on
 * x86-64 and aarch64 an {@code int}, a {@code long} and a pointer are passed alike, named or variadic, and a function does not look
 * at what it does not take. So all share the machine code for one signature: see docs/adr/0008.
 *
 * <p>{@code callInt} is for functions that return an {@code int}, {@code call} for those that return 64 bits. Both return the
 * negative errno where the function returns -1. They allocate nothing.
 *
 * @param handle takes the segment for errno, then the arguments. In a record so that the compiler takes it for constant.
 */
record CFunction(MethodHandle handle) {

    private static final int ARGUMENTS = 6;
    private static final FunctionDescriptor TYPE = FunctionDescriptor.of(
            JAVA_LONG, Collections.nCopies(ARGUMENTS, JAVA_LONG).toArray(MemoryLayout[]::new));
    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option CAPTURE = Linker.Option.captureCallState("errno");
    private static final MemoryLayout CAPTURE_LAYOUT = Linker.Option.captureStateLayout();
    private static final long ERRNO_OFFSET = CAPTURE_LAYOUT.byteOffset(MemoryLayout.PathElement.groupElement("errno"));

    // Automatic arenas: a thread's segment is reclaimed with the thread.
    private static final ThreadLocal<MemorySegment> ERRNO =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE_LAYOUT));

    static {
        if (ADDRESS.byteSize() != Long.BYTES) {
            throw new ExceptionInInitializerError("vfio4j needs a 64-bit machine");
        }
    }

    static CFunction of(String name) {
        return new CFunction(LINKER.downcallHandle(symbol(name), TYPE, CAPTURE));
    }

    long call(long a) {
        return call(a, 0, 0, 0, 0, 0);
    }

    long call(long a, long b, long c) {
        return call(a, b, c, 0, 0, 0);
    }

    long call(long a, long b, long c, long d) {
        return call(a, b, c, d, 0, 0);
    }

    long call(long a, long b, long c, long d, long e, long f) {
        MemorySegment errno = ERRNO.get();
        try {
            long result = (long) handle.invokeExact(errno, a, b, c, d, e, f);
            return result == -1 ? -errno.get(JAVA_INT, ERRNO_OFFSET) : result;
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    int callInt(long a) {
        return callInt(a, 0, 0, 0, 0, 0);
    }

    int callInt(long a, long b) {
        return callInt(a, b, 0, 0, 0, 0);
    }

    int callInt(long a, long b, long c) {
        return callInt(a, b, c, 0, 0, 0);
    }

    int callInt(long a, long b, long c, long d) {
        return callInt(a, b, c, d, 0, 0);
    }

    int callInt(long a, long b, long c, long d, long e) {
        return callInt(a, b, c, d, e, 0);
    }

    int callInt(long a, long b, long c, long d, long e, long f) {
        MemorySegment errno = ERRNO.get();
        try {
            // The upper half of what it returns means nothing.
            int result = (int) (long) handle.invokeExact(errno, a, b, c, d, e, f);
            return result == -1 ? -errno.get(JAVA_INT, ERRNO_OFFSET) : result;
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    private static AssertionError unexpected(Throwable t) {
        if (t instanceof Error error) {
            throw error;
        }
        return new AssertionError("a downcall threw", t);
    }

    private static MemorySegment symbol(String name) {
        return LINKER.defaultLookup()
                .find(name)
                .orElseThrow(() -> new UnsatisfiedLinkError(
                        "the C library has no function " + name + ": vfio4j needs Linux with glibc 2.28 or newer"));
    }
}
