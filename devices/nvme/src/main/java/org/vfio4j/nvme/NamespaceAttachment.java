package org.vfio4j.nvme;

import java.nio.ByteBuffer;

/** The Namespace Attachment command (Base 5.22). There is one controller to attach to. Belongs to the queue thread. */
final class NamespaceAttachment {

    /** Of the controller list (Base 4.4.1) that goes with it. */
    static final int LIST_SIZE = 4096;

    private static final int SEL_MASK = 0xf;
    private static final int SEL_ATTACH = 0;
    private static final int SEL_DETACH = 1;

    private final NvmeIdentity identity;
    private final NamespaceTable namespaces;
    private final ChangedNamespaces changed;
    private final ControllerHooks controller;

    NamespaceAttachment(
            NvmeIdentity identity, NamespaceTable namespaces, ChangedNamespaces changed, ControllerHooks controller) {
        this.identity = identity;
        this.namespaces = namespaces;
        this.changed = changed;
        this.controller = controller;
    }

    int execute(AdminCommand command) {
        int status = attach(command);
        return status == NvmeStatus.SUCCESSFUL_COMPLETION ? status : status | NvmeStatus.DNR;
    }

    private int attach(AdminCommand command) {
        int select = command.cdw10() & SEL_MASK;
        if (select != SEL_ATTACH && select != SEL_DETACH) {
            return NvmeStatus.INVALID_FIELD_IN_COMMAND;
        }
        if (!namespaces.isValid(command.nsid())) {
            return NvmeStatus.INVALID_NAMESPACE_OR_FORMAT;
        }
        NvmeNamespace namespace = namespaces.allocated(command.nsid());
        if (namespace == null) {
            return NvmeStatus.INVALID_FIELD_IN_COMMAND;
        }
        if (!isThisController(Bytes.fromHost(command, LIST_SIZE))) {
            return NvmeStatus.CONTROLLER_LIST_INVALID;
        }
        boolean attached = select == SEL_ATTACH;
        if (namespace.attached == attached) {
            return attached ? NvmeStatus.NAMESPACE_ALREADY_ATTACHED : NvmeStatus.NAMESPACE_NOT_ATTACHED;
        }
        if (namespace.notReady() != 0) {
            return namespace.notReady();
        }
        controller.drain();
        namespace.attached = attached;
        changed.add(namespace.nsid());
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    /** A list is in ascending order, so that one that is right has this controller and no other. */
    private boolean isThisController(ByteBuffer list) {
        return list.getShort(0) == 1 && Short.toUnsignedInt(list.getShort(Short.BYTES)) == identity.controllerId();
    }
}
