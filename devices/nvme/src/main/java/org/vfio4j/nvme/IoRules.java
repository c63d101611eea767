package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;
import static org.vfio4j.sys.Errno.EDQUOT;
import static org.vfio4j.sys.Errno.EFAULT;
import static org.vfio4j.sys.Errno.EFBIG;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMEM;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.sys.Errno.EROFS;

import org.jspecify.annotations.Nullable;

/**
 * Which I/O commands are carried out, and the status of those that are not (NVM Command Set 1.0, 3.2). Numbers from the driver are
 * unsigned.
 */
final class IoRules {

    private final Namespaces namespaces;

    IoRules(Namespaces namespaces) {
        this.namespaces = namespaces;
    }

    /** The namespace of a command, or null: then {@link #whyNoNamespace} says why. */
    @Nullable
    Namespace namespace(int nsid) {
        return isValid(nsid) ? namespaces.active(nsid) : null;
    }

    /** An NSID that no namespace can have is invalid; one that just has none is inactive. */
    int whyNoNamespace(int nsid) {
        return (isValid(nsid) ? INVALID_FIELD_IN_COMMAND : INVALID_NAMESPACE_OR_FORMAT) | DNR;
    }

    /** What is wrong with a command before its namespace is looked for. */
    static int form(IoCommand command) {
        if (!isSupported(command.opcode)) {
            return INVALID_COMMAND_OPCODE | DNR;
        }
        // Fused operations are not offered (FUSES), PSDT 11b is reserved.
        boolean wrong = command.fuse != 0 || command.psdt > PSDT_SGL_MPTR_SGL;
        return wrong ? INVALID_FIELD_IN_COMMAND | DNR : SUCCESSFUL_COMPLETION;
    }

    /** What is wrong with a range of blocks. */
    static int range(Namespace namespace, long slba, long blocks) {
        boolean fits = Long.compareUnsigned(slba, namespace.blocks()) <= 0 && blocks <= namespace.blocks() - slba;
        return fits ? SUCCESSFUL_COMPLETION : LBA_OUT_OF_RANGE | DNR;
    }

    /** What is wrong with a command that moves its blocks between the driver and the namespace. */
    static int transfer(Namespace namespace, IoCommand command) {
        long bytes = (long) command.blocks() << namespace.lbaShift();
        if (bytes > NvmeLimits.MAX_TRANSFER_BYTES) {
            return INVALID_FIELD_IN_COMMAND | DNR;
        }
        return range(namespace, command.slba(), command.blocks());
    }

    /** What is wrong with writing to a namespace at all. */
    static int writing(Namespace namespace) {
        return namespace.isWriteProtected() ? NAMESPACE_IS_WRITE_PROTECTED | DNR : SUCCESSFUL_COMPLETION;
    }

    /** What is wrong with a Dataset Management range at {@code address}. */
    static int dsmRange(Namespace namespace, long address) {
        return range(namespace, DsmRange.slba(address), DsmRange.blocks(address));
    }

    /**
     * The status for what storage has answered.
     *
     * @param expected what it answers when all is well
     */
    static int storage(int result, int expected, boolean writes) {
        if (result == expected) {
            return SUCCESSFUL_COMPLETION;
        }
        return switch (result) {
            case -ENOSPC, -EDQUOT, -EFBIG -> CAPACITY_EXCEEDED;
            case -EROFS -> NAMESPACE_IS_WRITE_PROTECTED | DNR;
            case -EFAULT -> DATA_TRANSFER_ERROR;
            case -EINVAL, -ENOMEM -> INTERNAL_ERROR;
            default -> writes ? WRITE_FAULT : UNRECOVERED_READ_ERROR;
        };
    }

    private static boolean isSupported(int opcode) {
        return switch (opcode) {
            case FLUSH, WRITE, READ, COMPARE, WRITE_ZEROES, DATASET_MANAGEMENT, VERIFY, COPY -> true;
            default -> false;
        };
    }

    private boolean isValid(int nsid) {
        return nsid > 0 && nsid <= namespaces.count();
    }
}
