package org.vfio4j.uapi;

/** Layouts of linux/vfio_zdev.h: what a device's info says of a PCI function of an s390 machine. Offsets count from the header's. */
public final class VfioZdev {

    /** In the flags of {@link CapGroup}: the program tells when the TLB must be refreshed. */
    public static final int VFIO_DEVICE_INFO_ZPCI_FLAG_REFRESH = 1;

    /**
     * struct vfio_device_info_cap_zpci_base: header, u64 start_dma, u64 end_dma, u16 pchid, u16 vfn, u16 fmb_length, u8 pft, u8 gid,
     * since version 2 u32 fh, since version 3 u32 ccdf_err_length.
     */
    public static final class CapBase {
        public static final int START_DMA = 8;
        public static final int END_DMA = 16;
        public static final int PCHID = 24;
        public static final int VFN = 26;
        public static final int FMB_LENGTH = 28;
        public static final int PFT = 30;
        public static final int GID = 31;
        public static final int FH = 32;
        public static final int CCDF_ERR_LENGTH = 36;
        public static final int SIZEOF = 40;

        private CapBase() {}
    }

    /**
     * struct vfio_device_info_cap_zpci_group: header, u64 dasm, u64 msi_addr, u64 flags, u16 mui, u16 noi, u16 maxstbl, u8 version, u8
     * reserved, since version 2 u16 imaxstbl.
     */
    public static final class CapGroup {
        public static final int DASM = 8;
        public static final int MSI_ADDR = 16;
        public static final int FLAGS = 24;
        public static final int MUI = 32;
        public static final int NOI = 34;
        public static final int MAXSTBL = 36;
        public static final int VERSION = 38;
        public static final int RESERVED = 39;
        public static final int IMAXSTBL = 40;
        public static final int SIZEOF = 48;

        private CapGroup() {}
    }

    /** struct vfio_device_info_cap_zpci_util: header, u32 size, then that many EBCDIC characters. */
    public static final class CapUtil {
        public static final int SIZE = 8;
        public static final int UTIL_STR = 12;
        public static final int SIZEOF = 12;

        private CapUtil() {}
    }

    /** struct vfio_device_info_cap_zpci_pfip: header, u32 size, then the function's path, that many bytes. */
    public static final class CapPfip {
        public static final int SIZE = 8;
        public static final int PFIP = 12;
        public static final int SIZEOF = 12;

        private CapPfip() {}
    }

    private VfioZdev() {}
}
