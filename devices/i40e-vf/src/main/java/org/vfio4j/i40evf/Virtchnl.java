package org.vfio4j.i40evf;

/**
 * Messages between a virtual function's driver and what stands for the physical function's: opcodes, results and the offsets
 * of fields, under the names of linux/avf/virtchnl.h. All numbers are little-endian.
 */
final class Virtchnl {

    static final int VIRTCHNL_OP_VERSION = 1;
    static final int VIRTCHNL_OP_RESET_VF = 2;
    static final int VIRTCHNL_OP_GET_VF_RESOURCES = 3;
    static final int VIRTCHNL_OP_CONFIG_VSI_QUEUES = 6;
    static final int VIRTCHNL_OP_CONFIG_IRQ_MAP = 7;
    static final int VIRTCHNL_OP_ENABLE_QUEUES = 8;
    static final int VIRTCHNL_OP_DISABLE_QUEUES = 9;
    static final int VIRTCHNL_OP_ADD_ETH_ADDR = 10;
    static final int VIRTCHNL_OP_DEL_ETH_ADDR = 11;
    static final int VIRTCHNL_OP_CONFIG_PROMISCUOUS_MODE = 14;
    static final int VIRTCHNL_OP_GET_STATS = 15;
    static final int VIRTCHNL_OP_EVENT = 17;

    static final int VIRTCHNL_STATUS_SUCCESS = 0;
    static final int VIRTCHNL_STATUS_ERR_PARAM = -5;
    static final int VIRTCHNL_STATUS_ERR_NO_MEMORY = -18;
    static final int VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH = -38;
    static final int VIRTCHNL_STATUS_ERR_NOT_SUPPORTED = -64;

    static final int VIRTCHNL_VERSION_MAJOR = 1;
    static final int VIRTCHNL_VERSION_MINOR = 1;
    static final int VERSION_INFO_BYTES = 8;

    static final int VIRTCHNL_VSI_SRIOV = 6;
    /** Checksums and segmentation of packets without tunnels: the only offloads there are. */
    static final int VIRTCHNL_VF_OFFLOAD_L2 = 1;

    static final int VF_RESOURCE_NUM_VSIS = 0;
    static final int VF_RESOURCE_NUM_QUEUE_PAIRS = 2;
    static final int VF_RESOURCE_MAX_VECTORS = 4;
    static final int VF_RESOURCE_MAX_MTU = 6;
    static final int VF_RESOURCE_VF_CAP_FLAGS = 8;
    static final int VF_RESOURCE_VSI = 20;
    static final int VSI_ID = 0;
    static final int VSI_NUM_QUEUE_PAIRS = 2;
    static final int VSI_TYPE = 4;
    static final int VSI_DEFAULT_MAC_ADDR = 10;
    static final int VSI_RESOURCE_BYTES = 16;

    static final int QUEUE_CONFIG_NUM_QUEUE_PAIRS = 2;
    static final int QUEUE_CONFIG_QPAIR = 8;
    static final int QUEUE_PAIR_BYTES = 64;
    static final int TXQ_VSI_ID = 0;
    static final int TXQ_QUEUE_ID = 2;
    static final int TXQ_RING_LEN = 4;
    static final int TXQ_HEADWB_ENABLED = 6;
    static final int TXQ_DMA_RING_ADDR = 8;
    static final int RXQ = 24;
    static final int RXQ_VSI_ID = RXQ;
    static final int RXQ_QUEUE_ID = RXQ + 2;
    static final int RXQ_RING_LEN = RXQ + 4;
    static final int RXQ_SPLITHDR_ENABLED = RXQ + 10;
    static final int RXQ_DATABUFFER_SIZE = RXQ + 12;
    static final int RXQ_MAX_PKT_SIZE = RXQ + 16;
    static final int RXQ_DMA_RING_ADDR = RXQ + 24;

    static final int IRQ_MAP_VECMAP = 2;
    static final int VECTOR_MAP_BYTES = 12;
    static final int VECTOR_MAP_VECTOR_ID = 2;
    static final int VECTOR_MAP_RXQ_MAP = 4;
    static final int VECTOR_MAP_TXQ_MAP = 6;

    static final int QUEUE_SELECT_BYTES = 12;
    static final int QUEUE_SELECT_RX_QUEUES = 4;
    static final int QUEUE_SELECT_TX_QUEUES = 8;

    static final int ETHER_ADDR_LIST_NUM_ELEMENTS = 2;
    static final int ETHER_ADDR_LIST = 4;
    static final int ETHER_ADDR_BYTES = 8;

    static final int PROMISC_INFO_BYTES = 4;
    static final int PROMISC_FLAGS = 2;
    static final int FLAG_VF_UNICAST_PROMISC = 1;
    static final int FLAG_VF_MULTICAST_PROMISC = 2;

    static final int VIRTCHNL_EVENT_LINK_CHANGE = 1;
    static final int VIRTCHNL_EVENT_RESET_IMPENDING = 2;
    static final int PF_EVENT_BYTES = 16;
    static final int PF_EVENT_LINK_SPEED = 4;
    static final int PF_EVENT_LINK_STATUS = 8;
    static final int PF_EVENT_SEVERITY = 12;
    static final int PF_EVENT_SEVERITY_CERTAIN_DOOM = 255;
    static final int VIRTCHNL_LINK_SPEED_10GB = 1 << 3;

    private Virtchnl() {}
}
