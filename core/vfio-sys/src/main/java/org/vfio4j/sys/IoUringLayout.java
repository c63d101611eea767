package org.vfio4j.sys;

/** Numbers and layouts of linux/io_uring.h, by their names there. */
final class IoUringLayout {

    static final int SYS_IO_URING_SETUP = 425;
    static final int SYS_IO_URING_ENTER = 426;
    static final int SYS_IO_URING_REGISTER = 427;

    static final int IORING_SETUP_IOPOLL = 1;
    static final int IORING_SETUP_CLAMP = 1 << 4;
    static final int IORING_SETUP_SUBMIT_ALL = 1 << 7;
    static final int IORING_SETUP_TASKRUN_FLAG = 1 << 9;
    static final int IORING_SETUP_SINGLE_ISSUER = 1 << 12;
    static final int IORING_SETUP_DEFER_TASKRUN = 1 << 13;

    static final int IORING_FEAT_SINGLE_MMAP = 1;
    static final int IORING_FEAT_NODROP = 1 << 1;

    static final long IORING_OFF_SQ_RING = 0;
    static final long IORING_OFF_SQES = 0x10000000L;

    static final int IORING_ENTER_GETEVENTS = 1;

    static final int IORING_SQ_CQ_OVERFLOW = 1 << 1;
    static final int IORING_SQ_TASKRUN = 1 << 2;
    static final int IORING_CQ_EVENTFD_DISABLED = 1;

    static final int IORING_REGISTER_FILES = 2;
    static final int IORING_UNREGISTER_FILES = 3;
    static final int IORING_REGISTER_EVENTFD = 4;
    static final int IORING_UNREGISTER_BUFFERS = 1;
    static final int IORING_REGISTER_BUFFERS2 = 15;
    static final int IORING_REGISTER_BUFFERS_UPDATE = 16;
    static final int IORING_REGISTER_SYNC_CANCEL = 24;

    static final int IORING_RSRC_REGISTER_SPARSE = 1;

    static final int IOSQE_FIXED_FILE = 1;
    static final int IOSQE_ASYNC = 1 << 4;

    static final byte IORING_OP_READV = 1;
    static final byte IORING_OP_WRITEV = 2;
    static final byte IORING_OP_FSYNC = 3;
    static final byte IORING_OP_READ_FIXED = 4;
    static final byte IORING_OP_WRITE_FIXED = 5;
    static final byte IORING_OP_FALLOCATE = 17;
    static final byte IORING_OP_READ = 22;
    static final byte IORING_OP_WRITE = 23;
    static final int IORING_FSYNC_DATASYNC = 1;

    // struct io_uring_params
    static final long PARAMS_SQ_ENTRIES = 0;
    static final long PARAMS_CQ_ENTRIES = 4;
    static final long PARAMS_FLAGS = 8;
    static final long PARAMS_FEATURES = 20;
    static final long PARAMS_SQ_OFF = 40;
    static final long PARAMS_CQ_OFF = 80;
    static final long PARAMS_SIZEOF = 120;

    // struct io_uring_sync_cancel_reg, whose timeout of 0 and flags of 0 are as it is when it is cleared
    static final long SYNC_CANCEL_ADDR = 0;
    static final long SYNC_CANCEL_FD = 8;
    static final long SYNC_CANCEL_SIZEOF = 64;

    // struct io_uring_rsrc_register
    static final long RSRC_REGISTER_NR = 0;
    static final long RSRC_REGISTER_FLAGS = 4;
    static final int RSRC_REGISTER_SIZEOF = 32;

    // struct io_uring_rsrc_update2
    static final long RSRC_UPDATE2_OFFSET = 0;
    static final long RSRC_UPDATE2_DATA = 8;
    static final long RSRC_UPDATE2_NR = 24;
    static final int RSRC_UPDATE2_SIZEOF = 32;

    // struct iovec
    static final long IOVEC_BASE = 0;
    static final long IOVEC_LEN = 8;
    static final long IOVEC_SIZEOF = 16;

    // struct io_sqring_offsets
    static final long SQ_OFF_HEAD = 0;
    static final long SQ_OFF_TAIL = 4;
    static final long SQ_OFF_RING_MASK = 8;
    static final long SQ_OFF_FLAGS = 16;
    static final long SQ_OFF_ARRAY = 24;

    // struct io_cqring_offsets
    static final long CQ_OFF_HEAD = 0;
    static final long CQ_OFF_TAIL = 4;
    static final long CQ_OFF_RING_MASK = 8;
    static final long CQ_OFF_CQES = 20;
    static final long CQ_OFF_FLAGS = 24;

    // struct io_uring_sqe
    static final long SQE_OPCODE = 0;
    static final long SQE_FLAGS = 1;
    static final long SQE_FD = 4;
    static final long SQE_OFF = 8;
    static final long SQE_ADDR = 16;
    static final long SQE_LEN = 24;
    static final long SQE_OP_FLAGS = 28;
    static final long SQE_USER_DATA = 32;
    static final long SQE_BUF_INDEX = 40;
    static final long SQE_ADDR3 = 48;
    static final long SQE_PAD = 56;
    static final long SQE_SIZEOF = 64;

    // struct io_uring_cqe
    static final long CQE_USER_DATA = 0;
    static final long CQE_RES = 8;
    static final long CQE_SIZEOF = 16;

    private IoUringLayout() {}
}
