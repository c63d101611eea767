package org.vfio4j.i40evf;

/**
 * Registers of a virtual function in BAR 0, by offset, under the names of the X710/XXV710/XL710 datasheet (10.2.3, "BAR0
 * registers, VF"). Each has 4 bytes.
 */
final class VfRegs {

    static final int BAR_BYTES = 0x1_0000;

    /** 16 of them: the driver has filled the descriptors of transmit queue {@code n} up to here. */
    static final int QTX_TAIL1 = 0x0000;
    /** 16 of them: receive queue {@code n} has free descriptors up to here. */
    static final int QRX_TAIL1 = 0x2000;

    static final int VFINT_ITRN1 = 0x2800;
    static final int VFINT_DYN_CTLN1 = 0x3800;
    static final int VFINT_ICR01 = 0x4800;
    static final int VFINT_ITR01 = 0x4c00;
    static final int VFINT_ICR0_ENA1 = 0x5000;
    static final int VFINT_STAT_CTL01 = 0x5400;
    static final int VFINT_DYN_CTL01 = 0x5c00;

    static final int VF_ARQBAH1 = 0x6000;
    static final int VF_ATQH1 = 0x6400;
    static final int VF_ATQLEN1 = 0x6800;
    static final int VF_ARQBAL1 = 0x6c00;
    static final int VF_ARQT1 = 0x7000;
    static final int VF_ARQH1 = 0x7400;
    static final int VF_ATQBAH1 = 0x7800;
    static final int VF_ATQBAL1 = 0x7c00;
    static final int VF_ARQLEN1 = 0x8000;
    static final int VF_ATQT1 = 0x8400;
    static final int VFGEN_RSTAT = 0x8800;

    static final int VFQF_HENA = 0xc400;
    static final int VFQF_HKEY = 0xcc00;
    static final int VFQF_HLUT = 0xd000;

    /** What {@link #VFGEN_RSTAT} says when no reset is under way and the function is in use. */
    static final int VFR_VFACTIVE = 2;

    static final int DYN_CTL_INTENA = 1;
    static final int DYN_CTL_CLEARPBA = 1 << 1;
    static final int DYN_CTL_SWINT_TRIG = 1 << 2;
    static final int DYN_CTL_INTENA_MSK = 1 << 31;

    static final int ICR0_ADMINQ = 1 << 30;

    /** The length, head and tail of an admin queue have 10 bits. */
    static final int AQ_INDEX_MASK = 0x3ff;

    static final int AQ_LEN_CRIT = 1 << 30;
    static final int AQ_LEN_ENABLE = 1 << 31;

    private VfRegs() {}
}
