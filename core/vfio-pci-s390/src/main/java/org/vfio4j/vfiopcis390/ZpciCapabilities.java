package org.vfio4j.vfiopcis390;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_BASE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_GROUP;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_PFIP;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_UTIL;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.uapi.Vfio.CapHeader;
import org.vfio4j.uapi.VfioZdev.CapBase;
import org.vfio4j.uapi.VfioZdev.CapGroup;
import org.vfio4j.uapi.VfioZdev.CapPfip;
import org.vfio4j.uapi.VfioZdev.CapUtil;
import org.vfio4j.vfio.VfioInfoCapability;

/** The four capabilities of linux/vfio_zdev.h, in the versions that Linux 7.3 has. Stateless. */
final class ZpciCapabilities {

    private static final int BASE_VERSION = 3;
    private static final int GROUP_VERSION = 2;
    private static final int STRING_VERSION = 1;

    private ZpciCapabilities() {}

    /** Those that the function has, in the kernel's order. */
    static List<VfioInfoCapability> of(ZpciData data) {
        List<VfioInfoCapability> capabilities = new ArrayList<>();
        capabilities.add(base(data.function()));
        capabilities.add(group(data.group()));
        data.utilityString()
                .ifPresent(text ->
                        capabilities.add(string(VFIO_DEVICE_INFO_CAP_ZPCI_UTIL, CapUtil.SIZE, CapUtil.UTIL_STR, text)));
        capabilities.add(string(VFIO_DEVICE_INFO_CAP_ZPCI_PFIP, CapPfip.SIZE, CapPfip.PFIP, data.functionPath()));
        return capabilities;
    }

    private static VfioInfoCapability base(ZpciFunction function) {
        MemorySegment out = structure(CapBase.SIZEOF);
        out.set(JAVA_LONG_UNALIGNED, CapBase.START_DMA, function.startDma());
        out.set(JAVA_LONG_UNALIGNED, CapBase.END_DMA, function.endDma());
        out.set(JAVA_SHORT_UNALIGNED, CapBase.PCHID, (short) function.pchid());
        out.set(JAVA_SHORT_UNALIGNED, CapBase.VFN, (short) function.vfn());
        out.set(JAVA_SHORT_UNALIGNED, CapBase.FMB_LENGTH, (short) function.fmbLength());
        out.set(JAVA_BYTE, CapBase.PFT, (byte) function.pft());
        out.set(JAVA_BYTE, CapBase.GID, (byte) function.gid());
        out.set(JAVA_INT_UNALIGNED, CapBase.FH, function.fh());
        out.set(JAVA_INT_UNALIGNED, CapBase.CCDF_ERR_LENGTH, function.ccdfErrLength());
        return capability(VFIO_DEVICE_INFO_CAP_ZPCI_BASE, BASE_VERSION, out);
    }

    private static VfioInfoCapability group(ZpciGroup group) {
        MemorySegment out = structure(CapGroup.SIZEOF);
        out.set(JAVA_LONG_UNALIGNED, CapGroup.DASM, group.dasm());
        out.set(JAVA_LONG_UNALIGNED, CapGroup.MSI_ADDR, group.msiAddr());
        out.set(JAVA_LONG_UNALIGNED, CapGroup.FLAGS, group.flags());
        out.set(JAVA_SHORT_UNALIGNED, CapGroup.MUI, (short) group.mui());
        out.set(JAVA_SHORT_UNALIGNED, CapGroup.NOI, (short) group.noi());
        out.set(JAVA_SHORT_UNALIGNED, CapGroup.MAXSTBL, (short) group.maxstbl());
        out.set(JAVA_BYTE, CapGroup.VERSION, (byte) group.version());
        out.set(JAVA_SHORT_UNALIGNED, CapGroup.IMAXSTBL, (short) group.imaxstbl());
        return capability(VFIO_DEVICE_INFO_CAP_ZPCI_GROUP, GROUP_VERSION, out);
    }

    private static VfioInfoCapability string(int id, int sizeAt, int textAt, byte[] text) {
        MemorySegment out = structure(textAt + text.length);
        out.set(JAVA_INT_UNALIGNED, sizeAt, text.length);
        MemorySegment.copy(text, 0, out, JAVA_BYTE, textAt, text.length);
        return capability(id, STRING_VERSION, out);
    }

    /** Zeroes for a structure, whose header is the chain's affair. */
    private static MemorySegment structure(int sizeBytes) {
        return MemorySegment.ofArray(new byte[sizeBytes]);
    }

    private static VfioInfoCapability capability(int id, int version, MemorySegment structure) {
        return new VfioInfoCapability(
                id, version, structure.asSlice(CapHeader.SIZEOF).toArray(JAVA_BYTE));
    }
}
