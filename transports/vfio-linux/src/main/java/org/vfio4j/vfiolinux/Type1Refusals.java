package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EFAULT;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMEM;
import static org.vfio4j.uapi.VfioIoctl.VFIO_IOMMU_GET_INFO;
import static org.vfio4j.uapi.VfioKernel.VFIO_IOMMU_INFO_CAPS;
import static org.vfio4j.uapi.VfioKernel.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalLong;
import java.util.StringJoiner;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.ResourceLimits;
import org.vfio4j.uapi.Vfio.CapHeader;
import org.vfio4j.uapi.VfioKernel.CapIovaRange;
import org.vfio4j.uapi.VfioKernel.IommuType1Info;
import org.vfio4j.vfio.VfioInfoCapability;

/** Says why the kernel did not map memory, where it gives a number only. Stateless. */
final class Type1Refusals {

    private Type1Refusals() {}

    /** @param mappedBytes what is mapped besides */
    static ErrnoException explain(
            KernelCalls kernel, ErrnoException refused, long iova, long sizeBytes, long mappedBytes) {
        String what = "DMA map iova 0x" + Long.toHexString(iova) + " size 0x" + Long.toHexString(sizeBytes);
        return new ErrnoException(
                refused.errno(),
                switch (refused.errno()) {
                    case ENOMEM -> what + memory(mappedBytes);
                    case EINVAL -> what + ranges(kernel);
                    case EFAULT -> what + ": the file has no memory there that can be pinned";
                    default -> what;
                });
    }

    private static String memory(long mappedBytes) {
        OptionalLong limit = ResourceLimits.lockedMemoryBytes();
        return limit.isEmpty()
                ? ""
                : " beside 0x" + Long.toHexString(mappedBytes) + " mapped bytes: RLIMIT_MEMLOCK lets this process pin "
                        + limit.getAsLong() + " bytes (ulimit -l, LimitMEMLOCK=)";
    }

    private static String ranges(KernelCalls kernel) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = SizedAnswer.ask(kernel, arena, VFIO_IOMMU_GET_INFO, question -> {});
            boolean there = (info.get(JAVA_INT, IommuType1Info.FLAGS) & VFIO_IOMMU_INFO_CAPS) != 0;
            for (VfioInfoCapability capability : SizedAnswer.capabilities(info, there, IommuType1Info.CAP_OFFSET)) {
                if (capability.id() == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
                    return ": the IOMMU has " + ranges(capability);
                }
            }
            return "";
        } catch (ErrnoException e) {
            // What is to be explained matters more than that it cannot be.
            return "";
        }
    }

    private static String ranges(VfioInfoCapability capability) {
        MemorySegment body = MemorySegment.ofArray(capability.body());
        long at = CapIovaRange.IOVA_RANGES - CapHeader.SIZEOF;
        int count = body.byteSize() < at ? 0 : body.get(JAVA_INT_UNALIGNED, CapIovaRange.NR_IOVAS - CapHeader.SIZEOF);
        StringJoiner text = new StringJoiner(", ");
        for (int i = 0; i < count && at + CapIovaRange.RANGE_SIZEOF <= body.byteSize(); i++) {
            long start = body.get(JAVA_LONG_UNALIGNED, at + CapIovaRange.RANGE_START);
            long end = body.get(JAVA_LONG_UNALIGNED, at + CapIovaRange.RANGE_END);
            text.add("0x" + Long.toHexString(start) + " to 0x" + Long.toHexString(end));
            at += CapIovaRange.RANGE_SIZEOF;
        }
        return text.toString();
    }
}
