package org.vfio4j.devicemodel;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Registers at their offsets in a space: a configuration space, or a structure in a BAR. An access may cover part of a
 * register or several; what lies between registers reads as zero and ignores writes. Values are little-endian.
 *
 * <p>Belongs to the thread that accesses the function, one at a time.
 */
public final class RegisterSet implements BarHandler {

    private final List<Register> registers;
    private final @Nullable Register[] byByte;

    private RegisterSet(int sizeBytes, List<Register> registers) {
        this.registers = List.copyOf(registers);
        byByte = new @Nullable Register[sizeBytes];
        for (Register register : registers) {
            place(register);
        }
    }

    /**
     * @param sizeBytes how large the space is
     * @throws IllegalArgumentException when registers overlap or lie outside
     */
    public static RegisterSet of(int sizeBytes, List<Register> registers) {
        return new RegisterSet(sizeBytes, registers);
    }

    /** Otherwise as {@link #of(int, List)}. */
    public static RegisterSet of(int sizeBytes, Register... registers) {
        return new RegisterSet(sizeBytes, new ArrayList<>(List.of(registers)));
    }

    /** Size of the space in bytes. */
    public int sizeBytes() {
        return byByte.length;
    }

    /**
     * @param offset first byte; an access that leaves the space reads zeroes there
     * @param width 1 to 8
     */
    @Override
    public long read(long offset, int width) {
        return read(offset, width, true);
    }

    /** As {@link #read}, but registers of which a read does something are left alone: they read as zero. */
    public long peek(long offset, int width) {
        return read(offset, width, false);
    }

    private long read(long offset, int width, boolean acts) {
        long result = 0;
        int start = (int) offset;
        int end = Math.min(start + width, byByte.length);
        for (int at = start; at < end; ) {
            Register register = byByte[at];
            if (register == null || (!acts && !register.isPeekable())) {
                at++;
                continue;
            }
            int stop = Math.min(end, register.end());
            long part = register.read() >>> (Byte.SIZE * (at - register.offset()));
            result |= (part & maskOfBytes(stop - at)) << (Byte.SIZE * (at - start));
            at = stop;
        }
        return result;
    }

    /** Writes; otherwise as {@link #read}. Of several registers the one at the lowest offset is written first. */
    @Override
    public void write(long offset, int width, long value) {
        int start = (int) offset;
        int end = Math.min(start + width, byByte.length);
        for (int at = start; at < end; ) {
            Register register = byByte[at];
            if (register == null) {
                at++;
                continue;
            }
            int stop = Math.min(end, register.end());
            int shift = Byte.SIZE * (at - register.offset());
            long touched = maskOfBytes(stop - at) << shift;
            long data = value >>> (Byte.SIZE * (at - start)) << shift;
            register.write(data & touched, touched);
            at = stop;
        }
    }

    /** Puts every stored register to its reset value. */
    public void reset() {
        for (Register register : registers) {
            register.reset();
        }
    }

    static long maskOfBytes(int bytes) {
        return -1L >>> (Long.SIZE - Byte.SIZE * bytes);
    }

    private void place(Register register) {
        if (register.offset() < 0 || register.end() > byByte.length) {
            throw new IllegalArgumentException("register " + register.name() + " at " + register.offset() + " of "
                    + register.width() + " bytes: the space has " + byByte.length);
        }
        for (int at = register.offset(); at < register.end(); at++) {
            Register other = byByte[at];
            if (other != null) {
                throw new IllegalArgumentException(
                        "registers " + other.name() + " and " + register.name() + " both cover byte " + at);
            }
            byByte[at] = register;
        }
    }
}
