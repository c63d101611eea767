package org.vfio4j.devicemodel;

import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_EXP;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_MSI;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_MSIX;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_PM;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_VNDR;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_DEVCAP;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_DEVCAP_FLR;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_DEVCAP_RBER;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_DEVCTL;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_DEVCTL2;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_DEVCTL_BCR_FLR;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_DEVSTA;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_LNKCAP;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_LNKCAP2;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_LNKCTL;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_LNKCTL2;
import static org.vfio4j.uapi.PciRegs.PCI_EXP_LNKSTA;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_ENABLE;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_MASKALL;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_PBA;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_TABLE;
import static org.vfio4j.uapi.PciRegs.PCI_MSI_ADDRESS_LO;
import static org.vfio4j.uapi.PciRegs.PCI_MSI_DATA_64;
import static org.vfio4j.uapi.PciRegs.PCI_MSI_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSI_FLAGS_64BIT;
import static org.vfio4j.uapi.PciRegs.PCI_MSI_FLAGS_ENABLE;
import static org.vfio4j.uapi.PciRegs.PCI_MSI_FLAGS_QSIZE;
import static org.vfio4j.uapi.PciRegs.PCI_PM_CTRL;
import static org.vfio4j.uapi.PciRegs.PCI_PM_CTRL_NO_SOFT_RESET;
import static org.vfio4j.uapi.PciRegs.PCI_PM_CTRL_STATE_MASK;
import static org.vfio4j.uapi.PciRegs.PCI_PM_PMC;

import java.util.List;
import java.util.function.IntFunction;

/**
 * A capability in the first 256 bytes of configuration space; the function places it and chains it to the next.
 *
 * @param id {@code PCI_CAP_ID_*}
 * @param sizeBytes all of it, with the two bytes of id and next pointer
 * @param body its registers behind these two, for the offset at which it is placed
 */
public record Capability(int id, int sizeBytes, IntFunction<List<Register>> body) {

    private static final int PM_SIZE = 8;
    private static final int EXP_V2_SIZE = 0x3c;
    private static final int MSIX_SIZE = 12;
    private static final int MSI_64_SIZE = 14;

    /** One lane of 8 GT/s: what an emulated link says of itself where somebody asks. */
    private static final int LINK = 3 | (1 << 4);

    /** Relaxed ordering, no snoop and the largest read requests, as PCI Express Base 6.0, 7.5.3.4 has them after a reset. */
    private static final int DEVCTL_RESET = 0x2810;

    /** A vendor-specific one (PCI Local Bus 3.0, 6.9), its length byte included in {@code body}. */
    public static Capability vendorSpecific(int sizeBytes, IntFunction<List<Register>> body) {
        return new Capability(PCI_CAP_ID_VNDR, sizeBytes, body);
    }

    /** Power management (PCI Power Management 1.2, 3.2): D0 and D3hot; going back to D0 is no reset. */
    static Capability powerManagement() {
        return new Capability(
                PCI_CAP_ID_PM,
                PM_SIZE,
                at -> List.of(
                        Register.at(at + PCI_PM_PMC, 2, "PMC").reset(3),
                        Register.at(at + PCI_PM_CTRL, 2, "PMCSR")
                                .reset(PCI_PM_CTRL_NO_SOFT_RESET)
                                .writable(PCI_PM_CTRL_STATE_MASK)));
    }

    /** PCI Express endpoint, version 2 (PCI Express Base 6.0, 7.5.3), with function level reset. */
    static Capability pciExpress(Runnable functionLevelReset) {
        return new Capability(
                PCI_CAP_ID_EXP,
                EXP_V2_SIZE,
                at -> List.of(
                        Register.at(at + PCI_EXP_FLAGS, 2, "PCI Express capabilities")
                                .reset(2),
                        Register.at(at + PCI_EXP_DEVCAP, 4, "device capabilities")
                                .reset(PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR),
                        deviceControl(at + PCI_EXP_DEVCTL, functionLevelReset),
                        Register.at(at + PCI_EXP_DEVSTA, 2, "device status").writeOneToClear(0xf),
                        Register.at(at + PCI_EXP_LNKCAP, 4, "link capabilities").reset(LINK),
                        Register.at(at + PCI_EXP_LNKCTL, 2, "link control").writable(0x00cb),
                        Register.at(at + PCI_EXP_LNKSTA, 2, "link status").reset(LINK),
                        Register.at(at + PCI_EXP_DEVCTL2, 2, "device control 2").writable(0x001f),
                        Register.at(at + PCI_EXP_LNKCAP2, 4, "link capabilities 2")
                                .reset(0xe),
                        Register.at(at + PCI_EXP_LNKCTL2, 2, "link control 2")
                                .reset(3)
                                .writable(0xf)));
    }

    /**
     * PCI Express port of a root complex or of a switch, version 2, without a slot.
     *
     * @param portType {@code PCI_EXP_TYPE_*}
     */
    static Capability pciExpressPort(int portType) {
        return new Capability(
                PCI_CAP_ID_EXP,
                EXP_V2_SIZE,
                at -> List.of(
                        Register.at(at + PCI_EXP_FLAGS, 2, "PCI Express capabilities")
                                .reset(2 | (portType << 4)),
                        Register.at(at + PCI_EXP_DEVCAP, 4, "device capabilities")
                                .reset(PCI_EXP_DEVCAP_RBER),
                        Register.at(at + PCI_EXP_DEVCTL, 2, "device control")
                                .reset(DEVCTL_RESET)
                                .writable(0x7fff),
                        Register.at(at + PCI_EXP_DEVSTA, 2, "device status").writeOneToClear(0xf),
                        Register.at(at + PCI_EXP_LNKCAP, 4, "link capabilities").reset(LINK),
                        Register.at(at + PCI_EXP_LNKCTL, 2, "link control").writable(0x00cb),
                        Register.at(at + PCI_EXP_LNKSTA, 2, "link status").reset(LINK),
                        Register.at(at + PCI_EXP_LNKCAP2, 4, "link capabilities 2")
                                .reset(0xe),
                        Register.at(at + PCI_EXP_LNKCTL2, 2, "link control 2")
                                .reset(3)
                                .writable(0xf)));
    }

    /** MSI (PCI Local Bus 3.0, 6.8.1) with 64-bit addresses and without masks. */
    static Capability msi(int log2Vectors, Interrupts irqs) {
        return new Capability(
                PCI_CAP_ID_MSI,
                MSI_64_SIZE,
                at -> List.of(
                        Register.at(at + PCI_MSI_FLAGS, 2, "MSI message control")
                                .reset(PCI_MSI_FLAGS_64BIT | (log2Vectors << 1))
                                .writable(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE)
                                .onWrite(value -> irqs.enableMsi((value & PCI_MSI_FLAGS_ENABLE) != 0)),
                        Register.at(at + PCI_MSI_ADDRESS_LO, 8, "MSI message address")
                                .writable(~3L),
                        Register.at(at + PCI_MSI_DATA_64, 2, "MSI message data").writable()));
    }

    /** MSI-X (PCI Local Bus 3.0, 6.8.2), table and pending bits in BAR {@code bar}. */
    static Capability msix(MsixTable table, int bar, Interrupts irqs) {
        return new Capability(
                PCI_CAP_ID_MSIX,
                MSIX_SIZE,
                at -> List.of(
                        Register.at(at + PCI_MSIX_FLAGS, 2, "MSI-X message control")
                                .reset(table.vectors() - 1)
                                .writable(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)
                                .onWrite(value -> irqs.enableMsix((value & PCI_MSIX_FLAGS_ENABLE) != 0)),
                        Register.at(at + PCI_MSIX_TABLE, 4, "MSI-X table").reset(bar),
                        Register.at(at + PCI_MSIX_PBA, 4, "MSI-X pending bits").reset(table.pbaOffset() | bar)));
    }

    private static Register deviceControl(int at, Runnable functionLevelReset) {
        return Register.at(at, 2, "device control")
                .reset(DEVCTL_RESET)
                .writable()
                .selfClearing(PCI_EXP_DEVCTL_BCR_FLR)
                .onWrite(value -> {
                    if ((value & PCI_EXP_DEVCTL_BCR_FLR) != 0) {
                        functionLevelReset.run();
                    }
                });
    }
}
