package org.vfio4j.vfiopcicore;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.uapi.Vfio4j.VFIO4J_DEVICE_INFO_CAP_FACTS;
import static org.vfio4j.uapi.Vfio4j.VFIO4J_FACTS_IO_PAGE_FAULT_TOLERANT;

import java.lang.foreign.MemorySegment;
import org.vfio4j.uapi.Vfio.CapHeader;
import org.vfio4j.uapi.Vfio4j.CapFacts;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfiopcifacts.PciFacts;

/** How a user is told what facts say of his device. Stateless. */
final class DeviceFacts {

    private static final int VERSION = 1;

    private DeviceFacts() {}

    /** The capability of the device's info. */
    static VfioInfoCapability capability(int flags) {
        byte[] body = new byte[CapFacts.SIZEOF - CapHeader.SIZEOF];
        MemorySegment.ofArray(body).set(JAVA_INT_UNALIGNED, CapFacts.FLAGS - CapHeader.SIZEOF, flags);
        return new VfioInfoCapability(VFIO4J_DEVICE_INFO_CAP_FACTS, VERSION, body);
    }

    /** Its flags. */
    static int flags(PciFacts facts) {
        return facts.ioPageFaultTolerant() ? VFIO4J_FACTS_IO_PAGE_FAULT_TOLERANT : 0;
    }
}
