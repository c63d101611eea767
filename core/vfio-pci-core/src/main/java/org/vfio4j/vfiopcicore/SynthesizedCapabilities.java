package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.vfiopcicore.PermTable.ALL;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcifacts.PciFacts;

/**
 * Capabilities that a virtual function does not have, because the physical one has them for all, and that its user must find to
 * use what they stand for: PASID (PCI Express Base 6.0, 7.8.8), ATS and PRI (10.5). They stand where facts say; their registers
 * are virtual. They offer 20 bits of PASID without execute and privileged mode, page-aligned translation requests, an invalidation
 * queue of 32 and 32 page requests at a time.
 */
final class SynthesizedCapabilities implements ConfigAddition {

    private static final int VERSION = 1;
    private static final int PASID_BITS = 20;
    private static final int ATS_STU = 0x1f;
    private static final int PRI_CAPACITY = 32;

    private final String what;
    private final PciFacts facts;

    /** @param what begins errors: whose facts these are */
    SynthesizedCapabilities(String what, PciFacts facts) {
        this.what = what;
        this.facts = facts;
    }

    @Override
    public void install(ConfigSpace config, CapabilityList capabilities) {
        if (facts.pasidOffset() != 0) {
            int pos = facts.pasidOffset();
            add(capabilities, "PASID", PCI_EXT_CAP_ID_PASID, pos, PCI_EXT_CAP_PASID_SIZEOF);
            config.set(pos + PCI_PASID_CAP, 2, PASID_BITS << Integer.numberOfTrailingZeros(PCI_PASID_CAP_WIDTH));
            config.perms().setWord(pos + PCI_PASID_CTRL, ALL, PCI_PASID_CTRL_ENABLE);
        }
        if (facts.atsOffset() != 0) {
            int pos = facts.atsOffset();
            add(capabilities, "ATS", PCI_EXT_CAP_ID_ATS, pos, PCI_EXT_CAP_ATS_SIZEOF);
            config.set(pos + PCI_ATS_CAP, 2, PCI_ATS_CAP_PAGE_ALIGNED);
            config.perms().setWord(pos + PCI_ATS_CTRL, ALL, PCI_ATS_CTRL_ENABLE | ATS_STU);
        }
        if (facts.priOffset() != 0) {
            int pos = facts.priOffset();
            add(capabilities, "PRI", PCI_EXT_CAP_ID_PRI, pos, PCI_EXT_CAP_PRI_SIZEOF);
            config.set(pos + PCI_PRI_MAX_REQ, 4, PRI_CAPACITY);
            config.perms().setWord(pos + PCI_PRI_CTRL, ALL, PCI_PRI_CTRL_ENABLE | PCI_PRI_CTRL_RESET);
            config.perms().setDword(pos + PCI_PRI_ALLOC_REQ, ALL, ALL);
            new PageRequestControl(config, pos, facts.pasidOffset() != 0).install();
        }
    }

    private void add(CapabilityList capabilities, String name, int id, int pos, int length) {
        capabilities.addExtended(id, VERSION, pos, length).ifPresent(refusal -> {
            throw new ErrnoException(
                    EINVAL,
                    what + ": " + name + " at 0x" + Integer.toHexString(pos) + " to 0x"
                            + Integer.toHexString(pos + length - 1) + ": " + refusal);
        });
    }
}
