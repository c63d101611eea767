package org.vfio4j.nvme;

/**
 * Registers, opcodes and fields (NVM Express Base 2.0, NVMe over PCIe Transport 1.0, NVM Command Set 1.0), by the names that these
 * have there. Offsets and sizes in bytes.
 */
final class NvmeSpec {

    // Controller properties; Base 3.1.3.
    static final int REG_CAP = 0x00;
    static final int REG_VS = 0x08;
    static final int REG_INTMS = 0x0c;
    static final int REG_INTMC = 0x10;
    static final int REG_CC = 0x14;
    static final int REG_CSTS = 0x1c;
    static final int REG_NSSR = 0x20;
    static final int REG_AQA = 0x24;
    static final int REG_ASQ = 0x28;
    static final int REG_ACQ = 0x30;
    static final int REG_CRTO = 0x68;
    static final int REG_SIZE = 0x6c;

    /** The first doorbell; PCIe 3.1.2. They alternate: submission queue tail, completion queue head. */
    static final int REG_DOORBELLS = 0x1000;

    static final int DOORBELL_SIZE = 4;

    /** Version 2.0.0. */
    static final int VS_2_0 = 0x0002_0000;

    // CAP; Base 3.1.3.1.
    static final int CAP_TO_SHIFT = 24;
    static final long CAP_CQR = 1L << 16;
    static final long CAP_CSS_NVM = 1L << 37;
    static final long CAP_CRMS_CRWMS = 1L << 59;

    // CC; Base 3.1.3.5.
    static final int CC_EN = 1;
    static final int CC_CSS_SHIFT = 4;
    static final int CC_CSS_MASK = 7;
    static final int CC_MPS_SHIFT = 7;
    static final int CC_MPS_MASK = 0xf;
    static final int CC_AMS_SHIFT = 11;
    static final int CC_AMS_MASK = 7;
    static final int CC_SHN_SHIFT = 14;
    static final int CC_SHN_MASK = 3;
    static final int CC_IOSQES_SHIFT = 16;
    static final int CC_IOCQES_SHIFT = 20;
    static final int CC_ES_MASK = 0xf;
    static final int CC_WRITABLE = 0x00ff_fff1;

    // CSTS; Base 3.1.3.6.
    static final int CSTS_RDY = 1;
    static final int CSTS_CFS = 1 << 1;
    static final int CSTS_SHST_MASK = 3 << 2;
    static final int CSTS_SHST_OCCURRING = 1 << 2;
    static final int CSTS_SHST_COMPLETE = 2 << 2;

    // Admin opcodes; Base figure 138.
    static final int DELETE_IO_SUBMISSION_QUEUE = 0x00;
    static final int CREATE_IO_SUBMISSION_QUEUE = 0x01;
    static final int GET_LOG_PAGE = 0x02;
    static final int DELETE_IO_COMPLETION_QUEUE = 0x04;
    static final int CREATE_IO_COMPLETION_QUEUE = 0x05;
    static final int IDENTIFY = 0x06;
    static final int ABORT = 0x08;
    static final int SET_FEATURES = 0x09;
    static final int GET_FEATURES = 0x0a;
    static final int ASYNCHRONOUS_EVENT_REQUEST = 0x0c;
    static final int NAMESPACE_MANAGEMENT = 0x0d;
    static final int FIRMWARE_COMMIT = 0x10;
    static final int FIRMWARE_IMAGE_DOWNLOAD = 0x11;
    static final int DEVICE_SELF_TEST = 0x14;
    static final int NAMESPACE_ATTACHMENT = 0x15;
    static final int KEEP_ALIVE = 0x18;
    static final int DIRECTIVE_SEND = 0x19;
    static final int DIRECTIVE_RECEIVE = 0x1a;
    static final int DOORBELL_BUFFER_CONFIG = 0x7c;
    static final int FORMAT_NVM = 0x80;
    static final int SECURITY_SEND = 0x81;
    static final int SECURITY_RECEIVE = 0x82;
    static final int SANITIZE = 0x84;

    // I/O opcodes; NVM Command Set figure 22.
    static final int FLUSH = 0x00;
    static final int WRITE = 0x01;
    static final int READ = 0x02;
    static final int WRITE_UNCORRECTABLE = 0x04;
    static final int COMPARE = 0x05;
    static final int WRITE_ZEROES = 0x08;
    static final int DATASET_MANAGEMENT = 0x09;
    static final int VERIFY = 0x0c;
    static final int COPY = 0x19;

    /*
     * Submission queue entry; Base 3.3.3.1:
     *
     *   0    CDW0 (opcode 7:0, FUSE 9:8, PSDT 15:14, CID 31:16)      4   NSID
     *   8    CDW2, CDW3                                             16   MPTR
     *   24   DPTR (PRP1, PRP2, or SGL1)                             40   CDW10 to CDW15
     */
    static final int SQE_SIZE = 64;
    static final int SQE_SIZE_SHIFT = 6;
    static final int SQE_NSID = 4;
    static final int SQE_MPTR = 16;
    static final int SQE_PRP1 = 24;
    static final int SQE_PRP2 = 32;
    static final int SQE_CDW10 = 40;

    /*
     * Completion queue entry; Base 3.3.3.2:
     *
     *   0    DW0, DW1                       8   SQHD 15:0, SQID 31:16
     *   12   CID 15:0, P 16, status 31:17
     */
    static final int CQE_SIZE = 16;
    static final int CQE_SIZE_SHIFT = 4;
    static final int CQE_DW2 = 8;
    static final int CQE_DW3 = 12;

    /** {@link #ABORT}, DW0 of its completion: the command was not aborted. */
    static final int ABORT_NOT_DONE = 1;

    // Asynchronous events; Base figures 146 and 147.
    static final int EVENT_ERROR_STATUS = 0;
    static final int EVENT_WRITE_TO_INVALID_DOORBELL_REGISTER = 0;
    static final int EVENT_INVALID_DOORBELL_WRITE_VALUE = 1;
    static final int LOG_ERROR_INFORMATION = 1;

    /** NSID that means all. */
    static final int NSID_BROADCAST = 0xffff_ffff;

    // Create I/O Submission and Completion Queue, CDW11; Base 5.4 and 5.5.
    static final int QUEUE_PC = 1;
    static final int QUEUE_IEN = 2;

    // Read and Write, CDW12; NVM Command Set 3.2.4, 3.2.6, 3.2.8.
    static final int CDW12_NLB_MASK = 0xffff;
    static final int CDW12_DEAC = 1 << 25;
    static final int CDW12_PRACT = 1 << 29;
    static final int CDW12_PRINFO_MASK = 0xf << 26;
    static final int CDW12_FUA = 1 << 30;

    // Dataset Management; NVM Command Set 3.2.3.
    static final int DSM_AD = 4;
    static final int DSM_NR_MASK = 0xff;
    static final int DSM_RANGE_SIZE = 16;
    static final int DSM_RANGE_BLOCKS = 4;
    static final int DSM_RANGE_SLBA = 8;

    // Copy; NVM Command Set 3.2.2, source range entries of format 0h.
    static final int COPY_NR_MASK = 0xff;
    static final int COPY_FORMAT_SHIFT = 8;
    static final int COPY_FORMAT_MASK = 0xf;
    static final int COPY_RANGE_SIZE = 32;
    static final int COPY_RANGE_SLBA = 8;
    static final int COPY_RANGE_NLB = 16;

    // CDW0.
    static final int FUSE_SHIFT = 8;
    static final int FUSE_MASK = 3;
    static final int PSDT_SHIFT = 14;
    static final int PSDT_MASK = 3;
    static final int PSDT_PRP = 0;
    static final int PSDT_SGL_MPTR_SGL = 2;
    static final int CID_SHIFT = 16;

    // SGL descriptors; Base 4.1.2.
    static final int SGL_SIZE = 16;
    static final int SGL_LENGTH = 8;
    static final int SGL_IDENTIFIER = 15;
    static final int SGL_TYPE_SHIFT = 4;
    static final int SGL_DATA_BLOCK = 0;
    static final int SGL_BIT_BUCKET = 1;
    static final int SGL_SEGMENT = 2;
    static final int SGL_LAST_SEGMENT = 3;

    private NvmeSpec() {}
}
