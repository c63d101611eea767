package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_0;
import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_5;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_IO;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.PciRegs.PCI_INTERRUPT_LINE;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A virtual function as software sees it: registers of the header that it does not implement (PCI Express Base 6.0, 9.3.4) are
 * here instead, so that it looks like any other function. Its ids are the physical function's to say, its BARs and memory enable
 * can be written, and it has no interrupt pin and no expansion ROM. One thread at a time, as for every function.
 */
final class VirtualFunction implements ForwardingFunction {

    private static final int BARS = 6;

    private final PciFunction function;
    private final int ids;
    private final List<PciBar> bars;
    private final int[] barMasks = new int[BARS];
    private final int[] barFlags = new int[BARS];

    // Registers: BARs without their flags, and PCI_COMMAND_MEMORY.
    private final int[] barValues = new int[BARS];
    private boolean memoryEnabled;

    /** @param resources its BARs, and the addresses that they hold at first */
    VirtualFunction(PciFunction function, PciSriov sriov, List<PciDevice.Resource> resources) {
        this.function = function;
        this.ids = sriov.vendorId() | sriov.vfDeviceId() << 16;
        this.bars = resources.stream().map(PciDevice.Resource::bar).toList();
        for (PciDevice.Resource resource : resources) {
            PciBar bar = resource.bar();
            int i = bar.index();
            barMasks[i] = (int) -bar.sizeBytes();
            barFlags[i] = bar.flags();
            barValues[i] = (int) resource.start();
            if (bar.kind() == PciBar.Kind.MEM64) {
                barMasks[i + 1] = (int) (-bar.sizeBytes() >>> 32);
                barValues[i + 1] = (int) (resource.start() >>> 32);
            }
        }
    }

    @Override
    public PciFunction forwardee() {
        return function;
    }

    @Override
    public int configRead(int offset, int width) {
        return isOwn(offset) ? own(offset, width) : function.configRead(offset, width);
    }

    @Override
    public int configPeek(int offset, int width) {
        return isOwn(offset) ? own(offset, width) : function.configPeek(offset, width);
    }

    private static boolean isOwn(int offset) {
        int at = offset & ~3;
        return at == PCI_VENDOR_ID
                || at == PCI_COMMAND
                || at == (PCI_INTERRUPT_LINE & ~3)
                || (at >= PCI_BASE_ADDRESS_0 && at <= PCI_BASE_ADDRESS_5);
    }

    private int own(int offset, int width) {
        int at = offset & ~3;
        return dword(at) >>> (Byte.SIZE * (offset - at)) & ones(width);
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        if (offset >= PCI_BASE_ADDRESS_0 && offset <= PCI_BASE_ADDRESS_5 + 3) {
            int i = (offset - PCI_BASE_ADDRESS_0) / Integer.BYTES;
            int shift = Byte.SIZE * (offset & 3);
            int written = (ones(width) << shift) & barMasks[i];
            barValues[i] = (barValues[i] & ~written) | (value << shift & written);
            return;
        }
        if (offset == PCI_COMMAND) {
            memoryEnabled = (value & PCI_COMMAND_MEMORY) != 0;
        }
        function.configWrite(offset, width, value);
    }

    @Override
    public List<PciBar> bars() {
        return bars;
    }

    @Override
    public int romSizeBytes() {
        return 0;
    }

    @Override
    public long romRead(long offset, int width) {
        return 0;
    }

    @Override
    public Optional<PciFunction> virtualFunction(int index) {
        return Optional.empty();
    }

    @Override
    public void reset() {
        function.reset();
        forgetRegisters();
    }

    @Override
    public void initiateReset() {
        function.initiateReset();
        forgetRegisters();
    }

    private void forgetRegisters() {
        memoryEnabled = false;
        Arrays.fill(barValues, 0);
    }

    private int dword(int at) {
        return switch (at) {
            case PCI_VENDOR_ID -> ids;
            case PCI_COMMAND -> {
                int decode = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
                yield (function.configRead(at, Integer.BYTES) & ~decode) | (memoryEnabled ? PCI_COMMAND_MEMORY : 0);
            }
            case PCI_INTERRUPT_LINE -> function.configRead(at, Integer.BYTES) & ~0xff00;
            default -> {
                int i = (at - PCI_BASE_ADDRESS_0) / Integer.BYTES;
                yield barValues[i] | barFlags[i];
            }
        };
    }

    private static int ones(int width) {
        return width == Integer.BYTES ? -1 : (1 << (Byte.SIZE * width)) - 1;
    }
}
