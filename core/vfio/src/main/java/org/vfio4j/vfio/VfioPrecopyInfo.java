package org.vfio4j.vfio;

/**
 * {@code struct vfio_precopy_info} (linux/vfio.h): what PRE_COPY has left to read.
 *
 * @param reinit whether the device began anew, with initial bytes once more ({@code VFIO_PRECOPY_INFO_REINIT})
 * @param initialBytes bytes that are best read before STOP_COPY
 * @param dirtyBytes bytes that have changed since they were read
 */
public record VfioPrecopyInfo(boolean reinit, long initialBytes, long dirtyBytes) {}
