package org.vfio4j.it;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.function.Consumer;
import java.util.function.IntUnaryOperator;
import java.util.function.Supplier;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/** A device file that does one thing wrong: every call of a right one goes through a {@link Fault}. */
final class BrokenDevice {

    private BrokenDevice() {}

    /** What is wrong. One object for each open file, so that it may remember. */
    interface Fault {
        Object call(Call call) throws Throwable;
    }

    /** A call of the device, on its way. */
    static final class Call {

        private final VfioDeviceFile file;
        private final Method method;
        private final Object[] arguments;

        private Call(VfioDeviceFile file, Method method, Object[] arguments) {
            this.file = file;
            this.method = method;
            this.arguments = arguments;
        }

        /** The right device. */
        VfioDeviceFile file() {
            return file;
        }

        boolean is(String name) {
            return method.getName().equals(name);
        }

        /** Whether it is this method, with this number as its first argument. */
        boolean is(String name, int first) {
            return is(name) && number(0) == first;
        }

        int number(int argument) {
            return ((Number) arguments[argument]).intValue();
        }

        long wide(int argument) {
            return ((Number) arguments[argument]).longValue();
        }

        VfioIrqSet irqs() {
            return (VfioIrqSet) arguments[0];
        }

        MemorySegment data(int argument) {
            return (MemorySegment) arguments[argument];
        }

        /** The same with another argument. */
        Call with(int argument, Object value) {
            Object[] others = arguments.clone();
            others[argument] = value;
            return new Call(file, method, others);
        }

        /** What the right device does. */
        Object proceed() throws Throwable {
            try {
                return method.invoke(file, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }

        /** Whether it reads or writes a byte of configuration space. */
        boolean touches(String access, int register) {
            return is(access) && number(0) == 7 && wide(1) <= register && register < wide(1) + number(4);
        }

        /** What the right device does, and one byte of configuration space read as something else. */
        Object proceedWith(int register, IntUnaryOperator change) throws Throwable {
            Object result = proceed();
            if (touches("read", register)) {
                long at = wide(3) + register - wide(1);
                int seen = data(2).get(ValueLayout.JAVA_BYTE, at) & 0xff;
                data(2).set(ValueLayout.JAVA_BYTE, at, (byte) change.applyAsInt(seen));
            }
            return result;
        }

        /** A byte that is being written to configuration space. */
        int written(int register) {
            return data(2).get(ValueLayout.JAVA_BYTE, wide(3) + register - wide(1)) & 0xff;
        }
    }

    /** A file that goes through {@code fault}. */
    static VfioDeviceFile of(VfioDeviceFile right, Fault fault) {
        return (VfioDeviceFile) Proxy.newProxyInstance(
                VfioDeviceFile.class.getClassLoader(),
                new Class<?>[] {VfioDeviceFile.class},
                (proxy, method, arguments) -> fault.call(new Call(right, method, arguments)));
    }

    /** Files that go through a fault of their own each. */
    static Supplier<VfioDeviceFile> supplier(Supplier<VfioDeviceFile> right, Supplier<Fault> fault) {
        return () -> of(right.get(), fault.get());
    }

    /** A fault that leaves {@code name} out when {@code when} holds. */
    static Fault swallowing(String name, java.util.function.Predicate<Call> when, Consumer<Call> instead) {
        return call -> {
            if (call.is(name) && when.test(call)) {
                instead.accept(call);
                return null;
            }
            return call.proceed();
        };
    }
}
