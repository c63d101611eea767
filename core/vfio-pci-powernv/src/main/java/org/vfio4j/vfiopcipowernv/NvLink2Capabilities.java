package org.vfio4j.vfiopcipowernv;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_CAP_NVLINK2_SSATGT;

import java.lang.foreign.MemorySegment;
import org.vfio4j.uapi.Vfio.CapHeader;
import org.vfio4j.uapi.Vfio.CapNvlink2Lnkspd;
import org.vfio4j.uapi.Vfio.CapNvlink2Ssatgt;
import org.vfio4j.vfio.VfioInfoCapability;

/** What NVLink2 regions say of themselves (linux/vfio.h). Stateless. */
final class NvLink2Capabilities {

    private static final int VERSION = 1;

    private NvLink2Capabilities() {}

    /** {@code struct vfio_region_info_cap_nvlink2_ssatgt}. */
    static VfioInfoCapability ssaTgt(long tgt) {
        byte[] body = new byte[CapNvlink2Ssatgt.SIZEOF - CapHeader.SIZEOF];
        MemorySegment.ofArray(body).set(JAVA_LONG_UNALIGNED, CapNvlink2Ssatgt.TGT - CapHeader.SIZEOF, tgt);
        return new VfioInfoCapability(VFIO_REGION_INFO_CAP_NVLINK2_SSATGT, VERSION, body);
    }

    /** {@code struct vfio_region_info_cap_nvlink2_lnkspd}. */
    static VfioInfoCapability linkSpeed(int speed) {
        byte[] body = new byte[CapNvlink2Lnkspd.SIZEOF - CapHeader.SIZEOF];
        MemorySegment.ofArray(body).set(JAVA_INT_UNALIGNED, CapNvlink2Lnkspd.LINK_SPEED - CapHeader.SIZEOF, speed);
        return new VfioInfoCapability(VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD, VERSION, body);
    }
}
