package org.vfio4j.userspace.nvme;

/**
 * What the driver uses of the specifications (NVM Express Base 2.0, NVMe over PCIe Transport 1.0, NVM Command Set 1.0), by the names
 * that these have there. Offsets and sizes in bytes.
 */
final class NvmeNumbers {

    /** Base class, subclass and programming interface of an NVMe controller with I/O queues; PCIe 3.1.1. */
    static final int PCI_CLASS_NVME = 0x01_08_02;

    /** The region that has the registers: BAR0, with BAR1 as its upper half. */
    static final int BAR0 = 0;

    // Controller properties; Base 3.1.3.
    static final int REG_CAP = 0x00;
    static final int REG_VS = 0x08;
    static final int REG_CC = 0x14;
    static final int REG_CSTS = 0x1c;
    static final int REG_AQA = 0x24;
    static final int REG_ASQ = 0x28;
    static final int REG_ACQ = 0x30;

    /** The first doorbell; PCIe 3.1.2. They alternate: submission queue tail, completion queue head. */
    static final int REG_DOORBELLS = 0x1000;

    // CAP; Base 3.1.3.1.
    static final int CAP_MQES_MASK = 0xffff;
    static final int CAP_DSTRD_SHIFT = 32;
    static final long CAP_CSS_NVM = 1L << 37;
    static final int CAP_MPSMIN_SHIFT = 48;
    static final int CAP_FOUR_BITS = 0xf;

    // CC; Base 3.1.3.5.
    static final int CC_EN = 1;
    static final int CC_MPS_SHIFT = 7;
    static final int CC_SHN_NORMAL = 1 << 14;
    static final int CC_IOSQES_SHIFT = 16;
    static final int CC_IOCQES_SHIFT = 20;

    // CSTS; Base 3.1.3.6.
    static final int CSTS_RDY = 1;
    static final int CSTS_CFS = 1 << 1;
    static final int CSTS_SHST_MASK = 3 << 2;
    static final int CSTS_SHST_COMPLETE = 2 << 2;

    // Admin opcodes; Base figure 138.
    static final int CREATE_IO_SUBMISSION_QUEUE = 0x01;
    static final int CREATE_IO_COMPLETION_QUEUE = 0x05;
    static final int IDENTIFY = 0x06;
    static final int SET_FEATURES = 0x09;
    static final int DOORBELL_BUFFER_CONFIG = 0x7c;

    // Identify, CDW10; Base figure 273.
    static final int CNS_NAMESPACE = 0;
    static final int CNS_CONTROLLER = 1;
    static final int CNS_ACTIVE_NAMESPACES = 2;
    static final int IDENTIFY_BYTES = 4096;

    // Identify Controller; Base figure 275.
    static final int ID_CTRL_SN = 4;
    static final int ID_CTRL_SN_BYTES = 20;
    static final int ID_CTRL_MN = 24;
    static final int ID_CTRL_MN_BYTES = 40;
    static final int ID_CTRL_FR = 64;
    static final int ID_CTRL_FR_BYTES = 8;
    static final int ID_CTRL_MDTS = 77;
    static final int ID_CTRL_OACS = 256;
    static final int ID_CTRL_SQES = 512;
    static final int ID_CTRL_CQES = 513;
    static final int ID_CTRL_ONCS = 520;
    static final int ID_CTRL_VWC = 525;
    static final int OACS_DOORBELL_BUFFER = 1 << 8;
    static final int ONCS_COMPARE = 1;
    static final int ONCS_DATASET_MANAGEMENT = 1 << 2;
    static final int ONCS_WRITE_ZEROES = 1 << 3;
    static final int VWC_PRESENT = 1;

    // Identify Namespace; NVM Command Set figure 97.
    static final int ID_NS_NSZE = 0;
    static final int ID_NS_NLBAF = 25;
    static final int ID_NS_FLBAS = 26;
    static final int ID_NS_DPS = 29;
    static final int ID_NS_DLFEAT = 33;
    static final int ID_NS_NSATTR = 99;
    static final int ID_NS_LBAF = 128;
    static final int ID_NS_LBAF_SIZE = 4;
    static final int LBAF_LBADS = 2;
    static final int DLFEAT_WRITE_ZEROES_DEAC = 1 << 3;
    static final int NSATTR_WRITE_PROTECTED = 1;

    // Features; Base figure 317.
    static final int FEATURE_NUMBER_OF_QUEUES = 7;

    // Create I/O Submission and Completion Queue, CDW11; Base 5.4 and 5.5.
    static final int QUEUE_PC = 1;
    static final int QUEUE_IEN = 2;

    // I/O opcodes; NVM Command Set figure 22.
    static final int FLUSH = 0x00;
    static final int WRITE = 0x01;
    static final int READ = 0x02;
    static final int COMPARE = 0x05;
    static final int WRITE_ZEROES = 0x08;
    static final int DATASET_MANAGEMENT = 0x09;
    static final int CDW12_DEAC = 1 << 25;
    static final int CDW12_FUA = 1 << 30;
    static final int DSM_AD = 4;
    static final int DSM_RANGE_SIZE = 16;
    static final int DSM_RANGE_BLOCKS = 4;
    static final int DSM_RANGE_SLBA = 8;

    /** The most blocks that NLB can say, a 0's based 16-bit number. */
    static final int MAX_BLOCKS = 1 << 16;

    // Submission queue entry; Base 3.3.3.1. CDW0 has the opcode in 7:0 and the command identifier in 31:16.
    static final int SQE_SIZE = 64;
    static final int SQE_SIZE_SHIFT = 6;
    static final int SQE_PRP1 = 24;
    static final int SQE_PRP2 = 32;
    static final int SQE_CDW10 = 40;
    static final int SQE_CDW12 = 48;
    static final int CDW0_CID_SHIFT = 16;

    // Completion queue entry; Base 3.3.3.2: DW3 has the command identifier in 15:0, the phase in 16, the status in
    // 31:17.
    static final int CQE_SIZE = 16;
    static final int CQE_SIZE_SHIFT = 4;
    static final int CQE_DW2 = 8;
    static final int CQE_DW3 = 12;
    static final int CQE_PHASE = 1 << 16;
    static final int CQE_STATUS_SHIFT = 17;

    /** Entries that a queue has at most. */
    static final int MAX_QUEUE_ENTRIES = 1 << 16;

    private NvmeNumbers() {}
}
