package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.NSID_BROADCAST;

import java.nio.ByteBuffer;
import java.util.function.Function;
import java.util.function.IntPredicate;

/** The Identify command (Base 5.17): which structure a driver asks for, and of what. Belongs to the queue thread. */
final class IdentifyCommand {

    static final int SIZE = 4096;

    // Controller or Namespace Structure; Base figure 273.
    static final int CNS_NAMESPACE = 0x00;
    static final int CNS_CONTROLLER = 0x01;
    static final int CNS_ACTIVE_NSIDS = 0x02;
    static final int CNS_NAMESPACE_DESCRIPTORS = 0x03;
    static final int CNS_CSI_NAMESPACE = 0x05;
    static final int CNS_CSI_CONTROLLER = 0x06;
    static final int CNS_CSI_ACTIVE_NSIDS = 0x07;
    static final int CNS_INDEPENDENT_NAMESPACE = 0x08;
    static final int CNS_ALLOCATED_NSIDS = 0x10;
    static final int CNS_ALLOCATED_NAMESPACE = 0x11;
    static final int CNS_ATTACHED_CONTROLLERS = 0x12;
    static final int CNS_CONTROLLERS = 0x13;
    static final int CNS_CSI_ALLOCATED_NSIDS = 0x1a;
    static final int CNS_CSI_ALLOCATED_NAMESPACE = 0x1b;
    static final int CNS_IO_COMMAND_SETS = 0x1c;

    private static final int CSI_SHIFT = 24;
    private static final int CSI_NVM = 0;
    private static final int THIS_CONTROLLER = 0xffff;

    /** NSIDs from here on follow no namespace that there could be: a list cannot begin behind them. */
    private static final int LAST_NSIDS = 0xffff_fffe;

    private static final int MAX_LISTED = SIZE / Integer.BYTES;

    private final NvmeIdentity identity;
    private final NamespaceTable namespaces;

    IdentifyCommand(NvmeIdentity identity, NamespaceTable namespaces) {
        this.identity = identity;
        this.namespaces = namespaces;
    }

    /** Its status; on success the command's data is the structure of {@link #SIZE} bytes. */
    int execute(AdminCommand command) {
        int cns = command.cdw10() & 0xff;
        if (isOfCommandSet(cns) && command.cdw11() >>> CSI_SHIFT != CSI_NVM) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        int nsid = command.nsid();
        return switch (cns) {
            case CNS_NAMESPACE -> namespace(command, nsid == NSID_BROADCAST, IdentifyNamespace::of);
            case CNS_CSI_NAMESPACE -> namespace(command, nsid == NSID_BROADCAST, IdentifyCommand::nothing);
            case CNS_INDEPENDENT_NAMESPACE -> namespace(command, false, IdentifyNamespace::independentOf);
            case CNS_CONTROLLER -> give(command, IdentifyController.of(identity, namespaces));
            case CNS_CSI_CONTROLLER -> give(command, Bytes.structure(SIZE)); // no limits but those of MDTS
            case CNS_ACTIVE_NSIDS, CNS_CSI_ACTIVE_NSIDS -> nsids(command, n -> namespaces.active(n) != null);
            case CNS_ALLOCATED_NSIDS, CNS_CSI_ALLOCATED_NSIDS -> nsids(command, n -> namespaces.allocated(n) != null);
            case CNS_NAMESPACE_DESCRIPTORS -> descriptors(command);
            case CNS_ALLOCATED_NAMESPACE -> allocatedNamespace(command, IdentifyNamespace::of);
            case CNS_CSI_ALLOCATED_NAMESPACE -> allocatedNamespace(command, IdentifyCommand::nothing);
            case CNS_ATTACHED_CONTROLLERS -> attachedControllers(command);
            case CNS_CONTROLLERS -> controllers(command, true);
            case CNS_IO_COMMAND_SETS -> ioCommandSets(command);
            default -> refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        };
    }

    private static boolean isOfCommandSet(int cns) {
        return switch (cns) {
            case CNS_CSI_NAMESPACE,
                    CNS_CSI_CONTROLLER,
                    CNS_CSI_ACTIVE_NSIDS,
                    CNS_CSI_ALLOCATED_NSIDS,
                    CNS_CSI_ALLOCATED_NAMESPACE -> true;
            default -> false;
        };
    }

    /** Of an attached namespace; zeroes for a valid NSID without one. */
    private int namespace(AdminCommand command, boolean common, Function<NvmeNamespace, ByteBuffer> structure) {
        if (common) {
            boolean isCsi = (command.cdw10() & 0xff) == CNS_CSI_NAMESPACE;
            return give(command, isCsi ? Bytes.structure(SIZE) : IdentifyNamespace.common());
        }
        if (!namespaces.isValid(command.nsid())) {
            return refuse(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT);
        }
        NvmeNamespace namespace = namespaces.active(command.nsid());
        return give(command, namespace == null ? Bytes.structure(SIZE) : structure.apply(namespace));
    }

    private int allocatedNamespace(AdminCommand command, Function<NvmeNamespace, ByteBuffer> structure) {
        if (!namespaces.isValid(command.nsid())) {
            return refuse(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT);
        }
        NvmeNamespace namespace = namespaces.allocated(command.nsid());
        return give(command, namespace == null ? Bytes.structure(SIZE) : structure.apply(namespace));
    }

    /** The I/O Command Set specific structure: no metadata, no protection, which is all it could tell. */
    private static ByteBuffer nothing(NvmeNamespace namespace) {
        return Bytes.structure(SIZE);
    }

    private int descriptors(AdminCommand command) {
        NvmeNamespace namespace = namespaces.active(command.nsid());
        return namespace == null
                ? refuse(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT)
                : give(command, IdentifyNamespace.descriptorsOf(namespace));
    }

    /** A list of the NSIDs above the command's, in order. */
    private int nsids(AdminCommand command, IntPredicate isListed) {
        int after = command.nsid();
        if (Integer.compareUnsigned(after, LAST_NSIDS) >= 0) {
            return refuse(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT);
        }
        ByteBuffer list = Bytes.structure(SIZE);
        int listed = 0;
        // What is above NN, unsigned, has nothing behind it.
        int first = Integer.compareUnsigned(after, namespaces.count()) < 0 ? after + 1 : namespaces.count() + 1;
        for (int nsid = first; nsid <= namespaces.count() && listed < MAX_LISTED; nsid++) {
            if (isListed.test(nsid)) {
                list.putInt(listed++ * Integer.BYTES, nsid);
            }
        }
        return give(command, list);
    }

    private int attachedControllers(AdminCommand command) {
        if (!namespaces.isValid(command.nsid())) {
            return refuse(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT);
        }
        return controllers(command, namespaces.active(command.nsid()) != null);
    }

    /** A controller list (Base 4.4.1) with this one, if it is to be there and the command's CNTID is not above it. */
    private int controllers(AdminCommand command, boolean isListed) {
        ByteBuffer list = Bytes.structure(SIZE);
        if (isListed && command.cdw10() >>> 16 <= identity.controllerId()) {
            list.putShort(0, (short) 1).putShort(2, (short) identity.controllerId());
        }
        return give(command, list);
    }

    /** One combination of command sets: NVM alone. */
    private int ioCommandSets(AdminCommand command) {
        int controller = command.cdw10() >>> 16;
        if (controller != THIS_CONTROLLER && controller != identity.controllerId()) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        return give(command, Bytes.structure(SIZE).putLong(0, 1L << CSI_NVM));
    }

    private static int give(AdminCommand command, ByteBuffer structure) {
        Bytes.toHost(command, structure);
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private static int refuse(int status) {
        return status | NvmeStatus.DNR;
    }
}
