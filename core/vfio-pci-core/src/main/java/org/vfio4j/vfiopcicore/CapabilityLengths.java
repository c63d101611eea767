package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import org.vfio4j.bus.PciFunction;

/**
 * How long each capability is that a user may see; 0 hides it. What is hidden is what the kernel hides: bridges' and slots'
 * affairs, what belongs to the host (PASID), and what nobody knows. Stateless.
 */
final class CapabilityLengths {

    private static final int SIZEOF_AGP = 12;
    private static final int SIZEOF_MSI_LEAST = 10;
    private static final int SIZEOF_MSI_64BIT = 4;
    private static final int SIZEOF_MSI_MASKBIT = 10;

    private CapabilityLengths() {}

    /** Of a capability of PCI Local Bus 3.0, appendix H, whose header stands at {@code pos}. */
    static int standard(PciFunction function, int id, int pos) {
        return switch (id) {
            case PCI_CAP_ID_PM -> PCI_PM_SIZEOF;
            case PCI_CAP_ID_AGP -> SIZEOF_AGP;
            case PCI_CAP_ID_VPD -> PCI_CAP_VPD_SIZEOF;
            case PCI_CAP_ID_MSI -> msi(function.configRead(pos + PCI_MSI_FLAGS, 2));
            case PCI_CAP_ID_PCIX ->
                ((function.configRead(pos + PCI_X_CMD, 2) >> 12) & 3) == 0
                        ? PCI_CAP_PCIX_SIZEOF_V0
                        : PCI_CAP_PCIX_SIZEOF_V2;
            case PCI_CAP_ID_HT ->
                (function.configRead(pos + 3, 1) & HT_3BIT_CAP_MASK) == 0 ? HT_CAP_SIZEOF_LONG : HT_CAP_SIZEOF_SHORT;
            case PCI_CAP_ID_VNDR -> function.configRead(pos + PCI_CAP_FLAGS, 1);
            case PCI_CAP_ID_EXP -> express(function.configRead(pos + PCI_EXP_FLAGS, 2));
            case PCI_CAP_ID_MSIX -> PCI_CAP_MSIX_SIZEOF;
            case PCI_CAP_ID_SATA ->
                (function.configRead(pos + PCI_SATA_REGS, 1) & PCI_SATA_REGS_MASK) == PCI_SATA_REGS_INLINE
                        ? PCI_SATA_SIZEOF_LONG
                        : PCI_SATA_SIZEOF_SHORT;
            case PCI_CAP_ID_AF -> PCI_CAP_AF_SIZEOF;
            default -> 0;
        };
    }

    /** Of a PCI Express extended capability (PCI Express Base 6.0, 7.6 on), whose header stands at {@code pos}. */
    static int extended(PciFunction function, int id, int pos) {
        return switch (id) {
            case PCI_EXT_CAP_ID_ERR -> PCI_ERR_ROOT_COMMAND;
            case PCI_EXT_CAP_ID_VC, PCI_EXT_CAP_ID_VC9, PCI_EXT_CAP_ID_MFVC -> virtualChannel(function, pos);
            case PCI_EXT_CAP_ID_DSN -> PCI_EXT_CAP_DSN_SIZEOF;
            case PCI_EXT_CAP_ID_PWR -> PCI_EXT_CAP_PWR_SIZEOF;
            case PCI_EXT_CAP_ID_VNDR -> function.configRead(pos + PCI_VSEC_HDR, 4) >>> PCI_VSEC_HDR_LEN_SHIFT;
            case PCI_EXT_CAP_ID_DVSEC -> function.configRead(pos + PCI_DVSEC_HEADER1, 4) >>> 20;
            case PCI_EXT_CAP_ID_ACS -> accessControl(function, pos);
            case PCI_EXT_CAP_ID_ARI -> PCI_EXT_CAP_ARI_SIZEOF;
            case PCI_EXT_CAP_ID_ATS -> PCI_EXT_CAP_ATS_SIZEOF;
            case PCI_EXT_CAP_ID_SRIOV -> PCI_EXT_CAP_SRIOV_SIZEOF;
            case PCI_EXT_CAP_ID_MCAST -> PCI_EXT_CAP_MCAST_ENDPOINT_SIZEOF;
            case PCI_EXT_CAP_ID_PRI -> PCI_EXT_CAP_PRI_SIZEOF;
            case PCI_EXT_CAP_ID_REBAR -> {
                int control = function.configRead(pos + PCI_REBAR_CTRL, 1);
                yield 4 + ((control & PCI_REBAR_CTRL_NBAR_MASK) >> PCI_REBAR_CTRL_NBAR_SHIFT) * 8;
            }
            case PCI_EXT_CAP_ID_DPA -> {
                int substates = function.configRead(pos + PCI_DPA_CAP, 1) & PCI_DPA_CAP_SUBSTATE_MASK;
                yield PCI_DPA_BASE_SIZEOF + substates + 1;
            }
            case PCI_EXT_CAP_ID_TPH -> steeringTags(function.configRead(pos + PCI_TPH_CAP, 4));
            case PCI_EXT_CAP_ID_LTR -> PCI_EXT_CAP_LTR_SIZEOF;
            default -> 0;
        };
    }

    private static int msi(int flags) {
        int length = SIZEOF_MSI_LEAST;
        length += (flags & PCI_MSI_FLAGS_64BIT) != 0 ? SIZEOF_MSI_64BIT : 0;
        length += (flags & PCI_MSI_FLAGS_MASKBIT) != 0 ? SIZEOF_MSI_MASKBIT : 0;
        return length;
    }

    private static int express(int flags) {
        boolean linkless = (flags & PCI_EXP_FLAGS_TYPE) >> 4 == PCI_EXP_TYPE_RC_END;
        if ((flags & PCI_EXP_FLAGS_VERS) == 1) {
            return linkless ? PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V1 : PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
        }
        return linkless ? PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V2 : PCI_CAP_EXP_ENDPOINT_SIZEOF_V2;
    }

    private static int virtualChannel(PciFunction function, int pos) {
        int extraChannels = function.configRead(pos + PCI_VC_PORT_CAP1, 4) & PCI_VC_CAP1_EVCC;
        int arbitration = function.configRead(pos + PCI_VC_PORT_CAP2, 4);
        int length = PCI_CAP_VC_BASE_SIZEOF + (1 + extraChannels) * PCI_CAP_VC_PER_VC_SIZEOF;
        int phases = 0;
        if ((arbitration & PCI_VC_CAP2_128_PHASE) != 0) {
            phases = 128;
        } else if ((arbitration & PCI_VC_CAP2_64_PHASE) != 0) {
            phases = 64;
        } else if ((arbitration & PCI_VC_CAP2_32_PHASE) != 0) {
            phases = 32;
        }
        // The arbitration table follows, 4 bits a phase, on a boundary of 16 bytes.
        return phases == 0 ? length : ((length + 15) & -16) + phases * 4 / 8;
    }

    private static int accessControl(PciFunction function, int pos) {
        if ((function.configRead(pos + PCI_ACS_CAP, 1) & PCI_ACS_EC) == 0) {
            return 8;
        }
        int bits = function.configRead(pos + PCI_ACS_EGRESS_BITS, 1);
        return 8 + (bits == 0 ? 256 : (bits + 31) & -32) / 8;
    }

    private static int steeringTags(int capability) {
        if ((capability & PCI_TPH_CAP_LOC_MASK) != PCI_TPH_LOC_CAP) {
            return PCI_TPH_BASE_SIZEOF;
        }
        int tags = ((capability & PCI_TPH_CAP_ST_MASK) >> PCI_TPH_CAP_ST_SHIFT) + 1;
        return PCI_TPH_BASE_SIZEOF + tags * 2;
    }
}
