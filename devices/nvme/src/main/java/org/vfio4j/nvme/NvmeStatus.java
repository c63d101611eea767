package org.vfio4j.nvme;

/**
 * Values of a completion's status field (NVM Express Base 2.0, 3.3.3.2.1; NVM Command Set 1.0, 2.2.2), without the phase tag: status
 * code in bits 7:0, status code type in 10:8, More in 13, Do Not Retry in 14. Names are the specification's.
 */
final class NvmeStatus {

    static final int SUCCESSFUL_COMPLETION = 0;

    /** More: the Error Information log has more about it. */
    static final int M = 1 << 13;

    /** Do Not Retry: the same command would fail again. */
    static final int DNR = 1 << 14;

    // Generic command status, type 0h.
    static final int INVALID_COMMAND_OPCODE = 0x01;
    static final int INVALID_FIELD_IN_COMMAND = 0x02;
    static final int COMMAND_ID_CONFLICT = 0x03;
    static final int DATA_TRANSFER_ERROR = 0x04;
    static final int INTERNAL_ERROR = 0x06;
    static final int COMMAND_ABORT_REQUESTED = 0x07;
    static final int COMMAND_ABORTED_DUE_TO_SQ_DELETION = 0x08;
    static final int COMMAND_ABORTED_DUE_TO_MISSING_FUSED_COMMAND = 0x0a;
    static final int INVALID_NAMESPACE_OR_FORMAT = 0x0b;
    static final int COMMAND_SEQUENCE_ERROR = 0x0c;
    static final int INVALID_SGL_SEGMENT_DESCRIPTOR = 0x0d;
    static final int INVALID_NUMBER_OF_SGL_DESCRIPTORS = 0x0e;
    static final int DATA_SGL_LENGTH_INVALID = 0x0f;
    static final int SGL_DESCRIPTOR_TYPE_INVALID = 0x11;
    static final int PRP_OFFSET_INVALID = 0x13;
    static final int OPERATION_DENIED = 0x15;
    static final int SGL_OFFSET_INVALID = 0x16;
    static final int SANITIZE_FAILED = 0x1c;
    static final int SANITIZE_IN_PROGRESS = 0x1d;
    static final int SGL_DATA_BLOCK_GRANULARITY_INVALID = 0x1e;
    static final int NAMESPACE_IS_WRITE_PROTECTED = 0x20;
    static final int LBA_OUT_OF_RANGE = 0x80;
    static final int CAPACITY_EXCEEDED = 0x81;
    static final int NAMESPACE_NOT_READY = 0x82;
    static final int FORMAT_IN_PROGRESS = 0x84;

    // Command specific status, type 1h.
    static final int COMPLETION_QUEUE_INVALID = 0x100;
    static final int INVALID_QUEUE_IDENTIFIER = 0x101;
    static final int INVALID_QUEUE_SIZE = 0x102;
    static final int ABORT_COMMAND_LIMIT_EXCEEDED = 0x103;
    static final int ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED = 0x105;
    static final int INVALID_FIRMWARE_SLOT = 0x106;
    static final int INVALID_FIRMWARE_IMAGE = 0x107;
    static final int INVALID_INTERRUPT_VECTOR = 0x108;
    static final int INVALID_LOG_PAGE = 0x109;
    static final int INVALID_FORMAT = 0x10a;
    static final int INVALID_QUEUE_DELETION = 0x10c;
    static final int FEATURE_IDENTIFIER_NOT_SAVEABLE = 0x10d;
    static final int FEATURE_NOT_CHANGEABLE = 0x10e;
    static final int FEATURE_NOT_NAMESPACE_SPECIFIC = 0x10f;
    static final int OVERLAPPING_RANGE = 0x114;
    static final int NAMESPACE_INSUFFICIENT_CAPACITY = 0x115;
    static final int NAMESPACE_IDENTIFIER_UNAVAILABLE = 0x116;
    static final int NAMESPACE_ALREADY_ATTACHED = 0x118;
    static final int NAMESPACE_IS_PRIVATE = 0x119;
    static final int NAMESPACE_NOT_ATTACHED = 0x11a;
    static final int THIN_PROVISIONING_NOT_SUPPORTED = 0x11b;
    static final int CONTROLLER_LIST_INVALID = 0x11c;
    static final int DEVICE_SELF_TEST_IN_PROGRESS = 0x11d;
    static final int INVALID_CONTROLLER_IDENTIFIER = 0x11f;
    static final int NAMESPACE_ATTACHMENT_LIMIT_EXCEEDED = 0x127;
    static final int CONFLICTING_ATTRIBUTES = 0x180;
    static final int INVALID_PROTECTION_INFORMATION = 0x181;
    static final int COMMAND_SIZE_LIMIT_EXCEEDED = 0x183;

    // Media and data integrity errors, type 2h.
    static final int WRITE_FAULT = 0x280;
    static final int UNRECOVERED_READ_ERROR = 0x281;
    static final int COMPARE_FAILURE = 0x285;
    static final int ACCESS_DENIED = 0x286;
    static final int DEALLOCATED_OR_UNWRITTEN_LOGICAL_BLOCK = 0x287;

    private NvmeStatus() {}
}
