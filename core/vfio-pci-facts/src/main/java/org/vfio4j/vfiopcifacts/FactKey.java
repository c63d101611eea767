package org.vfio4j.vfiopcifacts;

import static org.vfio4j.uapi.PciRegs.PCI_CFG_SPACE_EXP_SIZE;
import static org.vfio4j.uapi.PciRegs.PCI_CFG_SPACE_SIZE;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_ATS_SIZEOF;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_PASID_SIZEOF;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_PRI_SIZEOF;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/** The facts that a line can state, with the spelling of their names and values. */
enum FactKey {
    IO_PAGE_FAULT_TOLERANT("ioPageFaultTolerant"),
    DENYLISTED("denylisted"),
    BROKEN_INTX_MASKING("brokenIntxMasking"),
    PASID_OFFSET("pasidOffset", PCI_EXT_CAP_PASID_SIZEOF),
    ATS_OFFSET("atsOffset", PCI_EXT_CAP_ATS_SIZEOF),
    PRI_OFFSET("priOffset", PCI_EXT_CAP_PRI_SIZEOF);

    private static final int OFFSET_DIGITS = 3;

    private final String spelling;
    private final int capabilityBytes;

    FactKey(String spelling) {
        this(spelling, 0);
    }

    /** @param capabilityBytes size of the capability whose offset this is, 0 for a fact that holds or does not */
    FactKey(String spelling, int capabilityBytes) {
        this.spelling = spelling;
        this.capabilityBytes = capabilityBytes;
    }

    static Optional<FactKey> of(String spelling) {
        return Arrays.stream(values())
                .filter(key -> key.spelling.equals(spelling))
                .findFirst();
    }

    static String spellings() {
        return Arrays.stream(values()).map(key -> key.spelling).collect(Collectors.joining(", "));
    }

    String spelling() {
        return spelling;
    }

    /**
     * The value as a number: 1 or 0 for yes and no, or an offset, 0 for none.
     *
     * @throws FactsSyntax when it is none of these
     */
    int parse(String value) throws FactsSyntax {
        return capabilityBytes == 0 ? yesOrNo(value) : offset(value);
    }

    private int yesOrNo(String value) throws FactsSyntax {
        return switch (value) {
            case "yes" -> 1;
            case "no" -> 0;
            default -> throw new FactsSyntax(spelling + "=" + value + ", yes or no is needed");
        };
    }

    private int offset(String value) throws FactsSyntax {
        if (value.equals("none")) {
            return 0;
        }
        int offset = value.startsWith("0x") ? Hex.parse(value.substring(2), OFFSET_DIGITS) : -1;
        int last = PCI_CFG_SPACE_EXP_SIZE - capabilityBytes;
        if (offset < PCI_CFG_SPACE_SIZE || offset > last || offset % Integer.BYTES != 0) {
            throw new FactsSyntax(spelling + "=" + value + ", a multiple of 4 from 0x"
                    + Integer.toHexString(PCI_CFG_SPACE_SIZE) + " to 0x" + Integer.toHexString(last)
                    + " or none is needed");
        }
        return offset;
    }
}
