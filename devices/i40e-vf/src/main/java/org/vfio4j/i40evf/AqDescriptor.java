package org.vfio4j.i40evf;

/** A descriptor of an admin queue (X710 datasheet, 7.10.5): offsets of its fields, flags, opcodes and results. */
final class AqDescriptor {

    static final int BYTES = 32;
    static final int FLAGS = 0;
    static final int OPCODE = 2;
    static final int DATALEN = 4;
    static final int RETVAL = 6;
    /** The virtchnl opcode. */
    static final int COOKIE_HIGH = 8;
    /** The virtchnl result. */
    static final int COOKIE_LOW = 12;

    static final int ADDR_HIGH = 24;
    static final int ADDR_LOW = 28;

    static final int FLAG_DD = 1;
    static final int FLAG_CMP = 1 << 1;
    static final int FLAG_ERR = 1 << 2;
    static final int FLAG_LB = 1 << 9;
    static final int FLAG_BUF = 1 << 12;

    static final int OPC_QUEUE_SHUTDOWN = 0x0003;
    static final int OPC_SEND_MSG_TO_PF = 0x0801;
    static final int OPC_SEND_MSG_TO_VF = 0x0802;

    static final int RC_OK = 0;
    static final int RC_ESRCH = 3;
    static final int RC_EINVAL = 14;

    /** The largest buffer that a descriptor may name. */
    static final int MAX_BUFFER_BYTES = 4096;

    private AqDescriptor() {}
}
