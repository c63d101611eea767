package org.vfio4j.vfiopcicore;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.vfio4j.bus.PciFunction;

/**
 * The configuration space that a user sees: the function's own, with the bits that {@link PermTable} names taken from a virtual
 * copy, and hooks where a register does something. Lives from open to close; used by the user's thread. The idea is that of
 * the kernel's vfio_pci_config.c.
 */
final class ConfigSpace {

    private final PciFunction function;
    private final byte[] vconfig;
    private final PermTable perms;
    private final ConfigHook[] hooks;

    ConfigSpace(PciFunction function) {
        int size = function.configSize();
        this.function = function;
        this.vconfig = new byte[size];
        this.perms = new PermTable(size);
        this.hooks = new ConfigHook[size / 4];
        Arrays.fill(hooks, ConfigHook.NONE);
    }

    int size() {
        return vconfig.length;
    }

    PermTable perms() {
        return perms;
    }

    /** Sets the hook of the dword at {@code offset}. */
    void hook(int offset, ConfigHook hook) {
        hooks[offset >> 2] = hook;
    }

    /** Reads the virtual copy. */
    int get(int offset, int width) {
        return LittleEndian.get(vconfig, offset, width);
    }

    /** Writes the virtual copy. */
    void set(int offset, int width, int value) {
        LittleEndian.put(vconfig, offset, width, value);
    }

    /** Fills a range of the virtual copy from the function. */
    void load(int offset, int length) {
        int width;
        for (int at = offset; at < offset + length; at += width) {
            width = LittleEndian.firstWidth(at, offset + length - at, 4);
            set(at, width, hardware(at, width));
        }
    }

    /** Reads the function's own configuration space. */
    int hardware(int offset, int width) {
        return function.configRead(offset, width);
    }

    /** Writes the function's own configuration space. */
    void setHardware(int offset, int width, int value) {
        function.configWrite(offset, width, value);
    }

    /** Changes some bits of the function's own configuration space. */
    void changeHardware(int offset, int width, int mask, int value) {
        setHardware(offset, width, LittleEndian.merge(hardware(offset, width), mask, value));
    }

    /** A user reads; the range lies inside. */
    void read(int offset, MemorySegment buffer, long at, int count) {
        int width;
        for (int done = 0; done < count; done += width) {
            width = LittleEndian.firstWidth(offset + done, count - done, 4);
            LittleEndian.put(buffer, at + done, width, readPiece(offset + done, width));
        }
    }

    /** A user writes; the range lies inside. */
    void write(int offset, MemorySegment buffer, long at, int count) {
        int width;
        for (int done = 0; done < count; done += width) {
            width = LittleEndian.firstWidth(offset + done, count - done, 4);
            writePiece(offset + done, width, (int) LittleEndian.get(buffer, at + done, width));
        }
    }

    private int readPiece(int offset, int width) {
        hooks[offset >> 2].beforeRead();
        int virt = perms.virt(offset, width);
        int value = get(offset, width) & virt;
        return virt == LittleEndian.ones(width) ? value : value | (hardware(offset, width) & ~virt);
    }

    private void writePiece(int offset, int width, int value) {
        hooks[offset >> 2].beforeWrite(offset, width, value);
        int virt = perms.virt(offset, width);
        int write = perms.write(offset, width);
        int mask = virt & write;
        set(offset, width, LittleEndian.merge(get(offset, width), mask, value));
        writeHardware(offset, width, write & ~virt, value);
        hooks[offset >> 2].written(offset, width, value);
    }

    // As narrow as the writable bits allow: writing a read-only neighbour back would clear its write-1-to-clear bits.
    private void writeHardware(int offset, int width, int mask, int value) {
        if (mask == 0) {
            return;
        }
        int half = width / 2;
        int halfBits = half * 8;
        if (half != 0 && (mask & LittleEndian.ones(half)) == 0) {
            writeHardware(offset + half, half, mask >>> halfBits, value >>> halfBits);
        } else if (half != 0 && mask >>> halfBits == 0) {
            writeHardware(offset, half, mask, value & LittleEndian.ones(half));
        } else if (mask == LittleEndian.ones(width)) {
            setHardware(offset, width, value);
        } else {
            changeHardware(offset, width, mask, value);
        }
    }
}
