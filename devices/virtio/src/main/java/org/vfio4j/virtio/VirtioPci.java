package org.vfio4j.virtio;

/** The PCI transport's ids, capabilities and common configuration: linux/virtio_pci.h; Virtual I/O Device 1.2, 4.1. */
public final class VirtioPci {

    public static final int PCI_VENDOR_ID_REDHAT_QUMRANET = 0x1af4;

    /** PCI device id of virtio device type 0. */
    public static final int VIRTIO_PCI_DEVICE_ID_BASE = 0x1040;

    // Virtual I/O Device 1.2, 4.1.4.
    public static final int VIRTIO_PCI_CAP_COMMON_CFG = 1;
    public static final int VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
    public static final int VIRTIO_PCI_CAP_ISR_CFG = 3;
    public static final int VIRTIO_PCI_CAP_DEVICE_CFG = 4;
    public static final int VIRTIO_PCI_CAP_PCI_CFG = 5;
    public static final int VIRTIO_PCI_CAP_LEN = 2;
    public static final int VIRTIO_PCI_CAP_CFG_TYPE = 3;
    public static final int VIRTIO_PCI_CAP_BAR = 4;
    public static final int VIRTIO_PCI_CAP_OFFSET = 8;
    public static final int VIRTIO_PCI_CAP_LENGTH = 12;

    /** Size of struct virtio_pci_cap; in the longer ones more follows here. */
    public static final int VIRTIO_PCI_CAP_SIZE = 16;

    // struct virtio_pci_common_cfg, Virtual I/O Device 1.2, 4.1.4.3.
    public static final int VIRTIO_PCI_COMMON_DFSELECT = 0;
    public static final int VIRTIO_PCI_COMMON_DF = 4;
    public static final int VIRTIO_PCI_COMMON_GFSELECT = 8;
    public static final int VIRTIO_PCI_COMMON_GF = 12;
    public static final int VIRTIO_PCI_COMMON_MSIX = 16;
    public static final int VIRTIO_PCI_COMMON_NUMQ = 18;
    public static final int VIRTIO_PCI_COMMON_STATUS = 20;
    public static final int VIRTIO_PCI_COMMON_CFGGENERATION = 21;
    public static final int VIRTIO_PCI_COMMON_Q_SELECT = 22;
    public static final int VIRTIO_PCI_COMMON_Q_SIZE = 24;
    public static final int VIRTIO_PCI_COMMON_Q_MSIX = 26;
    public static final int VIRTIO_PCI_COMMON_Q_ENABLE = 28;
    public static final int VIRTIO_PCI_COMMON_Q_NOFF = 30;
    public static final int VIRTIO_PCI_COMMON_Q_DESCLO = 32;
    public static final int VIRTIO_PCI_COMMON_Q_DESCHI = 36;
    public static final int VIRTIO_PCI_COMMON_Q_AVAILLO = 40;
    public static final int VIRTIO_PCI_COMMON_Q_AVAILHI = 44;
    public static final int VIRTIO_PCI_COMMON_Q_USEDLO = 48;
    public static final int VIRTIO_PCI_COMMON_Q_USEDHI = 52;

    /** Size of the structure with the two registers of 1.2, which read as zero: their features are not offered. */
    public static final int VIRTIO_PCI_COMMON_SIZE = 60;

    public static final int VIRTIO_PCI_ISR_QUEUE = 1;
    public static final int VIRTIO_PCI_ISR_CONFIG = 2;
    public static final int VIRTIO_MSI_NO_VECTOR = 0xffff;

    private VirtioPci() {}
}
