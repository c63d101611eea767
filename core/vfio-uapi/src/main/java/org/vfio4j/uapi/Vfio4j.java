package org.vfio4j.uapi;

/** What vfio4j adds to linux/vfio.h, with ids that the kernel is far from. */
public final class Vfio4j {

    /** A capability of a device's info: what a table of facts says of the device that its user must know. */
    public static final int VFIO4J_DEVICE_INFO_CAP_FACTS = 0xf401;

    /** In {@link CapFacts#FLAGS}: the device copes with a page fault of any of its DMA accesses. */
    public static final int VFIO4J_FACTS_IO_PAGE_FAULT_TOLERANT = 1;

    /** Behind {@link #VFIO4J_DEVICE_INFO_CAP_FACTS}, version 1: header, u32 flags. */
    public static final class CapFacts {
        public static final int FLAGS = 8;
        public static final int SIZEOF = 12;

        private CapFacts() {}
    }

    private Vfio4j() {}
}
