package org.vfio4j.devicemodel;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;

/**
 * The SR-IOV capability of an emulated physical function (PCI Express Base 6.0, 9.3.3). Who turns virtual functions on and off is
 * not always the thread that accesses the function, so what they depend on is under this object's lock.
 */
final class SriovCapability {

    /** 4 KiB to 4 MiB, as the specification demands. */
    private static final int PAGE_SIZES = 0x553;

    private final VirtualFunctions parts;
    private final @Nullable PciFunction[] made;
    private int control;
    private int numVfs;

    SriovCapability(VirtualFunctions parts) {
        this.parts = parts;
        this.made = new @Nullable PciFunction[parts.total()];
    }

    ExtendedCapability capability() {
        return new ExtendedCapability(PCI_EXT_CAP_ID_SRIOV, PCI_EXT_CAP_SRIOV_SIZEOF, this::registers);
    }

    synchronized Optional<PciFunction> virtualFunction(int index) {
        return isEnabled() && index >= 0 && index < numVfs ? Optional.of(make(index)) : Optional.empty();
    }

    /** The function was reset: no virtual function is on. */
    synchronized void reset() {
        control = 0;
        numVfs = 0;
    }

    private List<Register> registers(int at) {
        List<Register> registers = new ArrayList<>();
        registers.add(Register.at(at + PCI_SRIOV_CTRL, 2, "SR-IOV control")
                .writable(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE | PCI_SRIOV_CTRL_ARI)
                .computed(this::control)
                .onWrite(value -> setControl((int) value)));
        registers.add(Register.at(at + PCI_SRIOV_INITIAL_VF, 2, "InitialVFs").reset(parts.total()));
        registers.add(Register.at(at + PCI_SRIOV_TOTAL_VF, 2, "TotalVFs").reset(parts.total()));
        registers.add(Register.at(at + PCI_SRIOV_NUM_VF, 2, "NumVFs")
                .writable()
                .computed(this::numVfs)
                .onWrite(value -> setNumVfs((int) value)));
        registers.add(
                Register.at(at + PCI_SRIOV_VF_OFFSET, 2, "first VF offset").reset(parts.firstOffset()));
        registers.add(Register.at(at + PCI_SRIOV_VF_STRIDE, 2, "VF stride").reset(parts.stride()));
        registers.add(Register.at(at + PCI_SRIOV_VF_DID, 2, "VF device id").reset(parts.deviceId()));
        registers.add(Register.at(at + PCI_SRIOV_SUP_PGSIZE, 4, "supported page sizes")
                .reset(PAGE_SIZES));
        registers.add(Register.at(at + PCI_SRIOV_SYS_PGSIZE, 4, "system page size")
                .reset(1)
                .writable(PAGE_SIZES));
        for (PciBar bar : parts.bars()) {
            int width = bar.kind() == PciBar.Kind.MEM64 ? Long.BYTES : Integer.BYTES;
            registers.add(Register.at(at + PCI_SRIOV_BAR + Integer.BYTES * bar.index(), width, "VF BAR " + bar.index())
                    .reset(bar.flags())
                    .writable(-bar.sizeBytes()));
        }
        return registers;
    }

    private synchronized long control() {
        return control;
    }

    private synchronized long numVfs() {
        return numVfs;
    }

    // Without effect while they are on, and never more than there can be.
    private synchronized void setNumVfs(int value) {
        if (!isEnabled()) {
            numVfs = Math.min(value, parts.total());
        }
    }

    private synchronized void setControl(int value) {
        boolean wasEnabled = isEnabled();
        control = value;
        for (int i = 0; i < numVfs && wasEnabled != isEnabled(); i++) {
            PciFunction virtual = make(i);
            if (wasEnabled) {
                virtual.reset();
            }
        }
    }

    private boolean isEnabled() {
        return (control & PCI_SRIOV_CTRL_VFE) != 0;
    }

    private PciFunction make(int index) {
        PciFunction virtual = made[index];
        if (virtual == null) {
            virtual = parts.factory().apply(index);
            if (!virtual.bars().equals(parts.bars())) {
                throw new IllegalArgumentException("virtual function " + index + " has the BARs " + virtual.bars()
                        + ", its physical function says " + parts.bars());
            }
            made[index] = virtual;
        }
        return virtual;
    }
}
