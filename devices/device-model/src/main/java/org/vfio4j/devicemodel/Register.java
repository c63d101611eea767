package org.vfio4j.devicemodel;

import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One register: where it is, what it holds after a reset, and which of its bits a write changes. Declared once, in a fluent
 * sentence, and then part of a {@link RegisterSet}, whose thread owns it.
 *
 * <p>A register stores its value, unless {@link #computed} says where the value comes from and where it goes. Bits that are
 * neither writable nor write-1-to-clear are read-only.
 */
public final class Register {

    private final String name;
    private final int offset;
    private final int width;
    private long resetValue;
    private long writable;
    private long writeOneToClear;
    private long selfClearing;
    private @Nullable LongSupplier source;
    private boolean readActs;
    private LongConsumer written = value -> {};
    private long value;

    private Register(String name, int offset, int width) {
        if (width < 1 || width > Long.BYTES) {
            throw new IllegalArgumentException("register " + name + ": width " + width + " is not 1 to 8 bytes");
        }
        this.name = name;
        this.offset = offset;
        this.width = width;
    }

    /** A read-only register that reads as zero until more is said. */
    public static Register at(int offset, int width, String name) {
        return new Register(name, offset, width);
    }

    /** What it holds after a reset. */
    public Register reset(long value) {
        resetValue = value & allBits();
        this.value = resetValue;
        return this;
    }

    /** The bits that a write sets and clears. */
    public Register writable(long mask) {
        writable = mask & allBits();
        return this;
    }

    /** All bits are writable. */
    public Register writable() {
        return writable(-1);
    }

    /** The bits that a write of 1 clears. */
    public Register writeOneToClear(long mask) {
        writeOneToClear = mask & allBits();
        return this;
    }

    /** Of the writable bits, those that only {@link #onWrite} sees: they read as zero. */
    public Register selfClearing(long mask) {
        selfClearing = mask & allBits();
        return this;
    }

    /** Called with the new value after each write that touches the register, and after each reset of a stored one. */
    public Register onWrite(LongConsumer hook) {
        written = hook;
        return this;
    }

    /** Each read asks {@code source}, which a register of more than one byte must bear without side effects. */
    public Register computed(LongSupplier source) {
        this.source = source;
        return this;
    }

    /** A read of it does something, which one of a looker-on shall not. */
    public Register readActs() {
        readActs = true;
        return this;
    }

    boolean isPeekable() {
        return !readActs;
    }

    String name() {
        return name;
    }

    int offset() {
        return offset;
    }

    int width() {
        return width;
    }

    int end() {
        return offset + width;
    }

    long read() {
        LongSupplier from = source;
        return (from == null ? value : from.getAsLong()) & allBits();
    }

    /** @param touched the bits that the access covers; {@code data} is zero elsewhere */
    void write(long data, long touched) {
        if (((writable | writeOneToClear) & touched) == 0) {
            return;
        }
        long kept = read() & ~(writable & touched) & ~(writeOneToClear & data);
        long next = kept | (data & writable & touched);
        value = next & ~selfClearing;
        written.accept(next);
    }

    void reset() {
        if (source == null) {
            value = resetValue;
            written.accept(value);
        }
    }

    private long allBits() {
        return RegisterSet.maskOfBytes(width);
    }
}
