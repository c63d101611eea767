package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqKind;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/**
 * A function in memory, with a write mask for each configuration byte as hardware has, BARs of plain memory, and counts of what
 * was done to it. {@link #disk} has a capability of every kind that matters.
 */
final class FakePciFunction implements PciFunction {

    static final int PM = 0x40;
    static final int MSIX = 0x48;
    static final int EXP = 0x54;
    static final int SSVID = 0x90;
    static final int MSI = 0x98;
    static final int VNDR = 0xb0;
    static final int AF = 0xc0;
    static final int VPD = 0xc8;

    static final int EXT_HIDDEN = 0x100;
    static final int DSN = 0x110;
    static final int ERR = 0x120;
    static final int EXT_UNKNOWN = 0x150;
    static final int VSEC = 0x160;

    /** How often a notification register was rung. */
    final AtomicInteger rings = new AtomicInteger();

    static final int VECTORS = 8;
    static final int TABLE_OFFSET = 0x0;
    static final int PBA_OFFSET = 0x800;

    final byte[] config;
    final byte[] writable;
    final byte[][] bars = new byte[6][];
    final List<PciBar> barList = new ArrayList<>();
    final List<String> barLog = new ArrayList<>();
    final Map<Integer, BarMemory> barMemory = new HashMap<>();
    byte[] rom = {};
    Optional<Object> platform = Optional.empty();
    int resets;

    /** How often the MSI-X enable bit went on. */
    int enables;

    int attached;

    /** What its user listens to, as it was told. */
    final List<String> irqUses = new ArrayList<>();

    /** More vectors than these it refuses. */
    int mostVectors = Integer.MAX_VALUE;

    Runnable onUnmaskIntx = () -> {};
    boolean writesThroughWindows = true;

    @Nullable
    DmaSpace space;

    IrqSink sink = IrqSink.NONE;
    private byte[] initial;

    FakePciFunction(int configSize) {
        config = new byte[configSize];
        writable = new byte[configSize];
        initial = config.clone();
    }

    /** A virtio disk with MSI-X, MSI, FLR by both ways, and things to hide in both chains. */
    static FakePciFunction disk() {
        FakePciFunction f = new FakePciFunction(4096);
        f.header();
        f.capability(PM, PCI_CAP_ID_PM, MSIX);
        f.set(PM + PCI_PM_PMC, 2, 3 | PCI_PM_CAP_PME_D3hot);
        f.set(PM + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
        f.mask(PM + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE);
        f.capability(MSIX, PCI_CAP_ID_MSIX, EXP);
        f.set(MSIX + PCI_MSIX_FLAGS, 2, VECTORS - 1);
        f.mask(MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
        f.set(MSIX + PCI_MSIX_TABLE, 4, TABLE_OFFSET | 1);
        f.set(MSIX + PCI_MSIX_PBA, 4, PBA_OFFSET | 1);
        f.capability(EXP, PCI_CAP_ID_EXP, SSVID);
        f.set(EXP + PCI_EXP_FLAGS, 2, 2);
        f.set(EXP + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_FLR | 1);
        f.set(EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_READRQ_512B | PCI_EXP_DEVCTL_PAYLOAD_256B);
        f.mask(EXP + PCI_EXP_DEVCTL, 2, 0x7fff);
        f.mask(EXP + PCI_EXP_DEVCTL2, 2, 0xffff);
        f.capability(SSVID, PCI_CAP_ID_SSVID, MSI);
        f.capability(MSI, PCI_CAP_ID_MSI, VNDR);
        f.set(MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1);
        f.mask(MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
        f.capability(VNDR, PCI_CAP_ID_VNDR, AF);
        f.set(VNDR + PCI_CAP_FLAGS, 1, 16);
        f.mask(VNDR + 8, 4, -1);
        f.capability(AF, PCI_CAP_ID_AF, VPD);
        f.set(AF + PCI_AF_CAP, 1, PCI_AF_CAP_FLR | PCI_AF_CAP_TP);
        f.capability(VPD, PCI_CAP_ID_VPD, 0);
        f.mask(VPD + PCI_VPD_ADDR, 2, 0xffff);
        f.extended(EXT_HIDDEN, PCI_EXT_CAP_ID_PASID, DSN);
        f.extended(DSN, PCI_EXT_CAP_ID_DSN, ERR);
        f.set(DSN + 4, 4, 0x12345678);
        f.extended(ERR, PCI_EXT_CAP_ID_ERR, EXT_UNKNOWN);
        f.mask(ERR + PCI_ERR_UNCOR_MASK, 4, -1);
        f.extended(EXT_UNKNOWN, 0x3fff, VSEC);
        f.extended(VSEC, PCI_EXT_CAP_ID_VNDR, 0);
        f.set(VSEC + PCI_VSEC_HDR, 4, 0x10 << PCI_VSEC_HDR_LEN_SHIFT);
        f.mask(VSEC + 8, 4, -1);
        f.done();
        return f;
    }

    /** A conventional function: no capabilities, one I/O BAR. */
    static FakePciFunction bare() {
        FakePciFunction f = new FakePciFunction(256);
        f.set(PCI_VENDOR_ID, 4, 0x1000_1af4);
        f.mask(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
        f.bar(new PciBar(0, 32, PciBar.Kind.IO, false));
        f.done();
        return f;
    }

    private void header() {
        set(PCI_VENDOR_ID, 4, 0x1042_1af4);
        mask(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
        set(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
        set(PCI_CLASS_REVISION, 4, 0x0180_0001);
        mask(PCI_CACHE_LINE_SIZE, 1, 0xff);
        set(PCI_INTERRUPT_PIN, 1, 1);
        mask(PCI_INTERRUPT_LINE, 1, 0xff);
        set(PCI_CAPABILITY_LIST, 1, PM);
        bar(new PciBar(0, 64, PciBar.Kind.IO, false));
        bar(new PciBar(1, 4096, PciBar.Kind.MEM32, false));
        bar(new PciBar(4, 16384, PciBar.Kind.MEM64, true));
    }

    void bar(PciBar bar) {
        barList.add(bar);
        bars[bar.index()] = new byte[(int) Math.min(bar.sizeBytes(), 1 << 20)];
        int register = PCI_BASE_ADDRESS_0 + 4 * bar.index();
        set(register, 4, bar.flags());
        mask(register, 4, (int) -bar.sizeBytes());
        if (bar.kind() == PciBar.Kind.MEM64) {
            mask(register + 4, 4, (int) (-bar.sizeBytes() >>> 32));
        }
    }

    void capability(int pos, int id, int next) {
        set(pos, 1, id);
        set(pos + PCI_CAP_LIST_NEXT, 1, next);
    }

    void extended(int pos, int id, int next) {
        set(pos, 4, id | 1 << 16 | next << 20);
    }

    void set(int offset, int width, int value) {
        LittleEndian.put(config, offset, width, value);
    }

    void mask(int offset, int width, int bits) {
        LittleEndian.put(writable, offset, width, bits);
    }

    /** What it looks like now is what a reset brings back. */
    void done() {
        initial = config.clone();
    }

    @Override
    public int configSize() {
        return config.length;
    }

    @Override
    public int configRead(int offset, int width) {
        checkAligned(offset, width);
        return LittleEndian.get(config, offset, width);
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        checkAligned(offset, width);
        int mask = LittleEndian.get(writable, offset, width);
        boolean wasOn = msixIsOn();
        set(offset, width, (LittleEndian.get(config, offset, width) & ~mask) | (value & mask));
        enables += !wasOn && msixIsOn() ? 1 : 0;
    }

    private boolean msixIsOn() {
        return (LittleEndian.get(config, MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE) != 0;
    }

    @Override
    public List<BarNotification> notifications(int bar) {
        return bar == 0
                ? List.of(
                        new BarNotification(0x10, 2, rings::incrementAndGet),
                        new BarNotification(0x14, 2, rings::incrementAndGet))
                : List.of();
    }

    @Override
    public List<PciBar> bars() {
        return barList;
    }

    @Override
    public long barRead(int bar, long offset, int width) {
        checkAligned(offset, width);
        barLog.add("r" + width + "@" + offset);
        long value = 0;
        for (int i = width - 1; i >= 0; i--) {
            value = (value << 8) | (bars[bar][(int) offset + i] & 0xff);
        }
        return value;
    }

    @Override
    public void barWrite(int bar, long offset, int width, long value) {
        checkAligned(offset, width);
        barLog.add("w" + width + "@" + offset);
        for (int i = 0; i < width; i++) {
            bars[bar][(int) offset + i] = (byte) (value >>> (8 * i));
        }
    }

    @Override
    public Optional<BarMemory> barMemory(int bar) {
        return Optional.ofNullable(barMemory.get(bar));
    }

    @Override
    public int romSizeBytes() {
        return rom.length;
    }

    @Override
    public long romRead(long offset, int width) {
        checkAligned(offset, width);
        return LittleEndian.get(MemorySegment.ofArray(rom), offset, width);
    }

    @Override
    public <T> Optional<T> platform(Class<T> type) {
        return platform.filter(type::isInstance).map(type::cast);
    }

    @Override
    public void connectIrqs(IrqSink newSink) {
        sink = newSink;
    }

    @Override
    public void useIrqs(IrqKind kind, int vectors) {
        if (vectors > mostVectors) {
            throw new ErrnoException(Errno.ENOSPC, vectors + " vectors");
        }
        irqUses.add(kind + " " + vectors);
    }

    @Override
    public void unmaskIntx() {
        onUnmaskIntx.run();
    }

    @Override
    public boolean writesThroughWindows() {
        return writesThroughWindows;
    }

    @Override
    public void attachDma(DmaSpace newSpace) {
        space = newSpace;
        attached++;
    }

    @Override
    public void detachDma() {
        space = null;
        attached--;
    }

    @Override
    public void reset() {
        resets++;
        System.arraycopy(initial, 0, config, 0, config.length);
    }

    private static void checkAligned(long offset, int width) {
        if (offset < 0 || Integer.bitCount(width) != 1 || offset % width != 0) {
            throw new AssertionError("unnatural access of " + width + " bytes at " + offset);
        }
    }
}
