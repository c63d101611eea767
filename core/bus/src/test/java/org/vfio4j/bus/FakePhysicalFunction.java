package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A function with an SR-IOV capability: four VFs with a 64-bit BAR 0 of 16 KiB and a 32-bit BAR 3 of 4 KiB, in registers that can
 * be made to lie.
 */
final class FakePhysicalFunction implements PciFunction {

    static final int SRIOV = 0x140;
    static final int TOTAL = 4;
    static final int OFFSET = 0x10;
    static final int STRIDE = 2;
    static final int VF_DEVICE = 0x154c;

    final FakeFunction registers = new FakeFunction(4096);
    final List<FakeFunction> virtuals = new ArrayList<>();
    final int[] masks = {-0x4000, -1, 0, -0x1000, 0, 0};
    private final int[] flags = {PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, 0, 0, 0, 0, 0};
    int present = TOTAL;
    int resets;

    FakePhysicalFunction() {
        registers.configWrite(0x100, 4, PCI_EXT_CAP_ID_DSN | 1 << 16 | SRIOV << 20);
        registers.configWrite(SRIOV, 4, PCI_EXT_CAP_ID_SRIOV | 1 << 16);
        set(PCI_SRIOV_INITIAL_VF, TOTAL);
        set(PCI_SRIOV_TOTAL_VF, TOTAL);
        set(PCI_SRIOV_VF_OFFSET, OFFSET);
        set(PCI_SRIOV_VF_STRIDE, STRIDE);
        set(PCI_SRIOV_VF_DID, VF_DEVICE);
        set(PCI_SRIOV_SUP_PGSIZE, 0x553);
        for (int i = 0; i < TOTAL; i++) {
            FakeFunction virtual = new FakeFunction(4096);
            virtual.configWrite(PCI_VENDOR_ID, 4, -1);
            virtual.configWrite(PCI_INTERRUPT_PIN, 1, 1);
            virtuals.add(virtual);
        }
    }

    /** Writes a 16-bit register of the capability past its masks. */
    void set(int register, int value) {
        registers.configWrite(SRIOV + register, 2, value);
    }

    int get(int register) {
        return registers.configRead(SRIOV + register, 2);
    }

    boolean enabled() {
        int on = PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
        return (get(PCI_SRIOV_CTRL) & on) == on;
    }

    @Override
    public Optional<PciFunction> virtualFunction(int index) {
        return enabled() && index < Math.min(present, get(PCI_SRIOV_NUM_VF))
                ? Optional.of(virtuals.get(index))
                : Optional.empty();
    }

    @Override
    public int configSize() {
        return registers.configSize();
    }

    @Override
    public int configRead(int offset, int width) {
        return registers.configRead(offset, width);
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        int i = (offset - SRIOV - PCI_SRIOV_BAR) / 4;
        boolean bar = offset >= SRIOV + PCI_SRIOV_BAR && i < PCI_SRIOV_NUM_BARS;
        registers.configWrite(offset, width, bar ? (value & masks[i]) | (masks[i] == 0 ? 0 : flags[i]) : value);
    }

    @Override
    public List<PciBar> bars() {
        return List.of();
    }

    @Override
    public long barRead(int bar, long offset, int width) {
        return 0;
    }

    @Override
    public void barWrite(int bar, long offset, int width, long value) {}

    @Override
    public void connectIrqs(IrqSink sink) {}

    @Override
    public void attachDma(DmaSpace space) {}

    @Override
    public void detachDma() {}

    @Override
    public void reset() {
        resets++;
        set(PCI_SRIOV_CTRL, 0);
        set(PCI_SRIOV_NUM_VF, 0);
        registers.configWrite(SRIOV + PCI_SRIOV_SYS_PGSIZE, 4, 2);
        for (int i = 0; i < PCI_SRIOV_NUM_BARS; i++) {
            registers.configWrite(SRIOV + PCI_SRIOV_BAR + 4 * i, 4, flags[i]);
        }
    }
}
