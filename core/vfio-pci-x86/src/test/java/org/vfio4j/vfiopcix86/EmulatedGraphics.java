package org.vfio4j.vfiopcix86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.vfio4j.sys.Errno.ENOMEM;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.RegisterSet;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopci.testing.PassiveDevice;

/** An integrated graphics function with what firmware and chipset have for it: OpRegion, video BIOS table, VGA's legacy ranges. */
final class EmulatedGraphics implements IgdMemory, VgaAccess {

    static final int BASE = 0x7a00_0000;
    static final int SIZE = 8 * 1024;

    final MemorySegment opRegion = MemorySegment.ofArray(new byte[SIZE]);
    final List<String> vgaLog = new ArrayList<>();
    private final byte[] vga = new byte[0xc0000];
    private final Map<Long, MemorySegment> memory = new HashMap<>();
    private int base = BASE;

    /** With an OpRegion full of noise, as far as nothing else is said. */
    EmulatedGraphics(int version) {
        byte[] noise = new byte[SIZE];
        new Random(version).nextBytes(noise);
        MemorySegment.copy(noise, 0, opRegion, JAVA_BYTE, 0, SIZE);
        MemorySegment.copy("IntelGraphicsMem".getBytes(US_ASCII), 0, opRegion, JAVA_BYTE, 0, 16);
        opRegion.set(JAVA_INT_UNALIGNED, 0x10, 8);
        opRegion.set(JAVA_SHORT_UNALIGNED, 0x16, (short) version);
        videoBios(0, 0);
        memory.put((long) BASE, opRegion);
    }

    /** The OpRegion says that an extended table of this size is at {@code rvda}. */
    EmulatedGraphics videoBios(long rvda, int size) {
        opRegion.set(JAVA_LONG_UNALIGNED, 0x3ba, rvda);
        opRegion.set(JAVA_INT_UNALIGNED, 0x3c2, size);
        return this;
    }

    EmulatedGraphics memory(long address, byte[] content) {
        memory.put(address, MemorySegment.ofArray(content));
        return this;
    }

    /** What the function's base register says. */
    EmulatedGraphics base(int address) {
        base = address;
        return this;
    }

    PciFunction function() {
        return function(0x8086, 0x030000);
    }

    /** A function of another vendor or class, of which the platform says the same. */
    PciFunction function(int vendor, int classCode) {
        return builder(vendor, classCode)
                .platform(IgdMemory.class, this)
                .platform(VgaAccess.class, this)
                .register(Register.at(0xfc, 4, "ASLS").reset(base).writable())
                .build(new PassiveDevice());
    }

    /** A bridge of the chipset, with the ids that it has. */
    static PciFunction bridge(int vendor, int device, int classCode) {
        return new EmulatedFunctionBuilder(vendor, device)
                .classCode(classCode, 7)
                .register(Register.at(0x50, 4, "GGC").reset(0x1c1))
                .build(new PassiveDevice());
    }

    private static EmulatedFunctionBuilder builder(int vendor, int classCode) {
        return new EmulatedFunctionBuilder(vendor, 0x5917)
                .classCode(classCode, 7)
                .bar(new PciBar(0, 4096, PciBar.Kind.MEM64, false), RegisterSet.of(4096));
    }

    @Override
    public MemorySegment at(long physicalAddress, long sizeBytes) {
        MemorySegment found = memory.get(physicalAddress);
        if (found == null || found.byteSize() != sizeBytes) {
            throw new ErrnoException(ENOMEM, sizeBytes + " bytes at 0x" + Long.toHexString(physicalAddress));
        }
        return found.asReadOnly();
    }

    @Override
    public int read(int address, int width) {
        vgaLog.add("r" + width + "@" + Integer.toHexString(address));
        int value = 0;
        for (int i = width - 1; i >= 0; i--) {
            value = (value << 8) | (vga[address + i] & 0xff);
        }
        return value;
    }

    @Override
    public void write(int address, int width, int value) {
        vgaLog.add("w" + width + "@" + Integer.toHexString(address));
        for (int i = 0; i < width; i++) {
            vga[address + i] = (byte) (value >>> (8 * i));
        }
    }
}
