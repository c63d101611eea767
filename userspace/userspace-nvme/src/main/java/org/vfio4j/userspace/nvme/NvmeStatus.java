package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EILSEQ;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EROFS;

/**
 * The status field of a completion (NVM Express Base 2.0, 3.3.3.2.1), without the phase tag: status code in bits 7:0, status code
 * type in 10:8. Stateless.
 */
final class NvmeStatus {

    static final int INVALID_COMMAND_OPCODE = 0x01;
    static final int INVALID_FIELD_IN_COMMAND = 0x02;
    static final int INVALID_NAMESPACE_OR_FORMAT = 0x0b;
    static final int NAMESPACE_IS_WRITE_PROTECTED = 0x20;
    static final int LBA_OUT_OF_RANGE = 0x80;
    static final int CAPACITY_EXCEEDED = 0x81;
    static final int ATTEMPTED_WRITE_TO_READ_ONLY_RANGE = 0x182;
    static final int COMPARE_FAILURE = 0x285;

    private static final int CODE_AND_TYPE = 0x7ff;

    private NvmeStatus() {}

    /** 0 for success, or the negative errno that says most of it. */
    static int result(int status) {
        return switch (status & CODE_AND_TYPE) {
            case 0 -> 0;
            case INVALID_COMMAND_OPCODE -> -ENOTSUP;
            case INVALID_FIELD_IN_COMMAND, INVALID_NAMESPACE_OR_FORMAT, LBA_OUT_OF_RANGE -> -EINVAL;
            case NAMESPACE_IS_WRITE_PROTECTED, ATTEMPTED_WRITE_TO_READ_ONLY_RANGE -> -EROFS;
            case CAPACITY_EXCEEDED -> -ENOSPC;
            case COMPARE_FAILURE -> -EILSEQ;
            default -> -EIO;
        };
    }

    /** As {@code status code type 0x1, status code 0x02}. */
    static String describe(int status) {
        return String.format("status code type 0x%x, status code 0x%02x", (status >>> 8) & 7, status & 0xff);
    }
}
