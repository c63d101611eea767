package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.vfiopcicore.PermTable.ALL;
import static org.vfio4j.vfiopcicore.PermTable.NONE;

/**
 * The permissions of the standard header and of each capability that a user may write to; every other visible capability is
 * read-only. Stateless. The choices are the kernel's, with PCI_EXP_LNKCTL2 writable besides, to no effect.
 */
final class CapabilityPerms {

    private CapabilityPerms() {}

    /** PCI Local Bus 3.0, 6.1 and 6.2. */
    static void header(PermTable perms) {
        perms.setWord(PCI_VENDOR_ID, ALL, NONE);
        perms.setWord(PCI_DEVICE_ID, ALL, NONE);
        // Masking INTx is vfio's affair, with or without help from the function.
        perms.setWord(PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, ALL);
        perms.setWord(PCI_STATUS, PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT, NONE);
        perms.setByte(PCI_CACHE_LINE_SIZE, NONE, ALL);
        perms.setByte(PCI_LATENCY_TIMER, NONE, ALL);
        perms.setByte(PCI_BIST, NONE, ALL);
        for (int bar = PCI_BASE_ADDRESS_0; bar <= PCI_BASE_ADDRESS_5; bar += 4) {
            perms.setDword(bar, ALL, ALL);
        }
        perms.setDword(PCI_ROM_ADDRESS, ALL, ALL);
        perms.setByte(PCI_CAPABILITY_LIST, ALL, NONE);
        perms.setByte(PCI_INTERRUPT_LINE, ALL, ALL);
        perms.setByte(PCI_INTERRUPT_PIN, ALL, NONE);
    }

    /** A standard capability at {@code pos}: read-only but for what follows, with its place in the chain virtual. */
    static void standard(PermTable perms, int id, int pos, int length, int flags) {
        perms.fill(pos, length, NONE, id == PCI_CAP_ID_VNDR ? ALL : NONE);
        perms.setWord(pos, ALL, NONE);
        switch (id) {
            case PCI_CAP_ID_PM -> powerManagement(perms, pos);
            case PCI_CAP_ID_VPD -> {
                perms.setWord(pos + PCI_VPD_ADDR, NONE, ALL);
                perms.setDword(pos + PCI_VPD_DATA, NONE, ALL);
            }
            case PCI_CAP_ID_PCIX -> {
                perms.setWord(pos + PCI_X_CMD, NONE, ALL);
                if (length > PCI_X_ECC_CSR) {
                    perms.setDword(pos + PCI_X_ECC_CSR, NONE, ALL);
                }
            }
            case PCI_CAP_ID_MSI -> msi(perms, pos, flags);
            case PCI_CAP_ID_MSIX -> {
                int control = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
                perms.setWord(pos + PCI_MSIX_FLAGS, control, control);
            }
            case PCI_CAP_ID_EXP -> express(perms, pos, length);
            case PCI_CAP_ID_AF -> perms.setByte(pos + PCI_AF_CTRL, PCI_AF_CTRL_FLR, PCI_AF_CTRL_FLR);
            default -> {}
        }
    }

    /** An extended capability at {@code pos}. */
    static void extended(PermTable perms, int id, int pos, int length) {
        boolean vendor = id == PCI_EXT_CAP_ID_VNDR || id == PCI_EXT_CAP_ID_DVSEC;
        perms.fill(pos, length, NONE, vendor ? ALL : NONE);
        perms.setDword(pos, ALL, NONE);
        if (id == PCI_EXT_CAP_ID_ERR) {
            errorReporting(perms, pos);
        } else if (id == PCI_EXT_CAP_ID_PWR) {
            perms.setByte(pos + PCI_PWR_DSR, NONE, ALL);
        }
    }

    /** The power state is read-only because {@link PowerManagement} changes it; wake-up (PME) is hidden. */
    private static void powerManagement(PermTable perms, int pos) {
        int pme = PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS;
        perms.setWord(pos + PCI_PM_PMC, PCI_PM_CAP_PME_MASK, NONE);
        perms.setDword(pos + PCI_PM_CTRL, pme, ~(pme | PCI_PM_CTRL_STATE_MASK));
    }

    private static void msi(PermTable perms, int pos, int flags) {
        int control = PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE;
        perms.setWord(pos + PCI_MSI_FLAGS, control, control);
        perms.setDword(pos + PCI_MSI_ADDRESS_LO, ALL, ~3);
        boolean wide = (flags & PCI_MSI_FLAGS_64BIT) != 0;
        if (wide) {
            perms.setDword(pos + PCI_MSI_ADDRESS_HI, ALL, ALL);
        }
        perms.setWord(pos + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), ALL, ALL);
        if ((flags & PCI_MSI_FLAGS_MASKBIT) != 0) {
            int vectors = 1 << ((flags & PCI_MSI_FLAGS_QMASK) >> 1);
            int bits = vectors >= 32 ? ALL : (1 << vectors) - 1;
            perms.setDword(pos + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), ALL, bits);
            perms.setDword(pos + (wide ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32), ALL, NONE);
        }
    }

    /** The payload size stays the host's choice: writes to it are remembered, to no effect. */
    private static void express(PermTable perms, int pos, int length) {
        int virt = PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ;
        perms.setWord(pos + PCI_EXP_DEVCTL, virt, ~PCI_EXP_DEVCTL_PHANTOM);
        if (length > PCI_EXP_DEVCTL2 + 1) {
            perms.setWord(pos + PCI_EXP_DEVCTL2, NONE, ~PCI_EXP_DEVCTL2_ARI);
        }
        if (length > PCI_EXP_LNKCTL2 + 1) {
            perms.setWord(pos + PCI_EXP_LNKCTL2, ALL, ALL);
        }
    }

    private static void errorReporting(PermTable perms, int pos) {
        int uncorrectable = PCI_ERR_UNC_UND
                | PCI_ERR_UNC_DLP
                | PCI_ERR_UNC_SURPDN
                | PCI_ERR_UNC_POISON_TLP
                | PCI_ERR_UNC_FCP
                | PCI_ERR_UNC_COMP_TIME
                | PCI_ERR_UNC_COMP_ABORT
                | PCI_ERR_UNC_UNX_COMP
                | PCI_ERR_UNC_RX_OVER
                | PCI_ERR_UNC_MALF_TLP
                | PCI_ERR_UNC_ECRC
                | PCI_ERR_UNC_UNSUP
                | PCI_ERR_UNC_ACSV
                | PCI_ERR_UNC_INTN
                | PCI_ERR_UNC_MCBTLP
                | PCI_ERR_UNC_ATOMEG
                | PCI_ERR_UNC_TLPPRE;
        perms.setDword(pos + PCI_ERR_UNCOR_STATUS, NONE, uncorrectable);
        perms.setDword(pos + PCI_ERR_UNCOR_MASK, NONE, uncorrectable);
        perms.setDword(pos + PCI_ERR_UNCOR_SEVER, NONE, uncorrectable);
        int correctable = PCI_ERR_COR_RCVR
                | PCI_ERR_COR_BAD_TLP
                | PCI_ERR_COR_BAD_DLLP
                | PCI_ERR_COR_REP_ROLL
                | PCI_ERR_COR_REP_TIMER
                | PCI_ERR_COR_ADV_NFAT
                | PCI_ERR_COR_INTERNAL
                | PCI_ERR_COR_LOG_OVER;
        perms.setDword(pos + PCI_ERR_COR_STATUS, NONE, correctable);
        perms.setDword(pos + PCI_ERR_COR_MASK, NONE, correctable);
        perms.setDword(pos + PCI_ERR_CAP, NONE, PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE);
    }
}
