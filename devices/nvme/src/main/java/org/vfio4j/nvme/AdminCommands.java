package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.List;
import java.util.function.LongSupplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.ErrnoException;

/**
 * The admin commands that need no queues: which class carries each out. Firmware cannot be changed, and there is no keep-alive timer,
 * self-test, security protocol, directive or sanitize operation; Identify Controller says so, and their commands are refused as
 * opcodes that do not exist. Belongs to the queue thread.
 */
final class AdminCommands implements AdminHandler {

    /** Namespace Management, CDW10: create, which brings a structure; delete brings none. */
    private static final int SEL_MASK = 0xf;

    private static final int SEL_CREATE = 0;
    private static final int SEL_DELETE = 1;

    private final NvmeIdentity identity;
    private final NamespaceTable namespaces;
    private final LongSupplier nanoTime;

    @SuppressWarnings("NullAway.Init") // by connect
    private Parts parts;

    /** What needs the controller. */
    record Parts(
            ControllerHooks controller,
            AsyncEvents events,
            ErrorLog errors,
            SmartLog smart,
            ChangedNamespaces changed,
            Timestamp timestamp,
            Features features,
            IdentifyCommand identify,
            LogPages logPages,
            NamespaceAttachment attachment,
            FormatCommand format) {}

    /**
     * @param count how many namespaces there can be, NN
     * @param options those that there are
     * @param nanoTime as {@link System#nanoTime}
     */
    AdminCommands(NvmeIdentity identity, int count, List<NamespaceOptions> options, LongSupplier nanoTime) {
        this.identity = identity;
        this.nanoTime = nanoTime;
        namespaces = new NamespaceTable(count, identity.subnqn(), options);
    }

    @Override
    public void connect(ControllerHooks controller) {
        AsyncEvents events = new AsyncEvents(controller);
        ErrorLog errors = new ErrorLog();
        SmartLog smart = new SmartLog(controller::tally, errors, events, nanoTime);
        ChangedNamespaces changed = new ChangedNamespaces(events);
        Timestamp timestamp = new Timestamp(nanoTime);
        parts = new Parts(
                controller,
                events,
                errors,
                smart,
                changed,
                timestamp,
                new Features(namespaces, smart, events, changed, timestamp, controller),
                new IdentifyCommand(identity, namespaces),
                new LogPages(identity, errors, smart, changed, events),
                new NamespaceAttachment(identity, namespaces, changed, controller),
                new FormatCommand(namespaces, changed, controller));
    }

    @Override
    public NamespaceTable namespaces() {
        return namespaces;
    }

    @Override
    public int dataBytes(AdminCommand command) {
        return switch (command.opcode()) {
            case NvmeSpec.IDENTIFY -> IdentifyCommand.SIZE;
            case NvmeSpec.GET_LOG_PAGE -> LogPages.dataBytes(command);
            case NvmeSpec.GET_FEATURES -> Features.dataBytes(command, true);
            case NvmeSpec.SET_FEATURES -> Features.dataBytes(command, false);
            case NvmeSpec.NAMESPACE_ATTACHMENT -> NamespaceAttachment.LIST_SIZE;
            default -> 0;
        };
    }

    @Override
    public boolean isToHost(AdminCommand command) {
        return switch (command.opcode()) {
            case NvmeSpec.IDENTIFY, NvmeSpec.GET_LOG_PAGE, NvmeSpec.GET_FEATURES -> true;
            default -> false;
        };
    }

    @Override
    public boolean stopsQueues(AdminCommand command) {
        return switch (command.opcode()) {
            case NvmeSpec.SET_FEATURES -> Features.stopsQueues(command);
            case NvmeSpec.NAMESPACE_ATTACHMENT, NvmeSpec.FORMAT_NVM -> true;
            default -> false;
        };
    }

    @Override
    public int execute(AdminCommand command) {
        return switch (command.opcode()) {
            case NvmeSpec.IDENTIFY -> parts.identify.execute(command);
            case NvmeSpec.GET_LOG_PAGE -> parts.logPages.execute(command);
            case NvmeSpec.GET_FEATURES -> parts.features.get(command);
            case NvmeSpec.SET_FEATURES -> parts.features.set(command);
            case NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST -> parts.events.request(command.cid());
            case NvmeSpec.NAMESPACE_ATTACHMENT -> parts.attachment.execute(command);
            case NvmeSpec.NAMESPACE_MANAGEMENT -> manageNamespace(command);
            case NvmeSpec.FORMAT_NVM -> parts.format.execute(command);
            default -> NvmeStatus.INVALID_COMMAND_OPCODE | NvmeStatus.DNR;
        };
    }

    /** All storage is in namespaces that whoever started the controller has chosen: none can be created, and none is given up. */
    private int manageNamespace(AdminCommand command) {
        int status = switch (command.cdw10() & SEL_MASK) {
            case SEL_CREATE -> NvmeStatus.NAMESPACE_INSUFFICIENT_CAPACITY;
            case SEL_DELETE -> whyNotDeleted(command.nsid());
            default -> NvmeStatus.INVALID_FIELD_IN_COMMAND;
        };
        return status | NvmeStatus.DNR;
    }

    private int whyNotDeleted(int nsid) {
        if (nsid == NvmeSpec.NSID_BROADCAST || namespaces.allocated(nsid) != null) {
            return NvmeStatus.OPERATION_DENIED;
        }
        return namespaces.isValid(nsid) ? NvmeStatus.INVALID_FIELD_IN_COMMAND : NvmeStatus.INVALID_NAMESPACE_OR_FORMAT;
    }

    @Override
    public boolean abortHeld(int cid) {
        return parts.events.abort(cid);
    }

    @Override
    public void asynchronousEvent(int type, int information, int logPage) {
        parts.events.report(type, information, logPage);
    }

    @Override
    public void failed(int sqid, int cid, int status, int nsid, long lba) {
        parts.errors.add(sqid, cid, status, nsid, lba);
    }

    @Override
    public void controllerReset() {
        parts.events.reset();
        parts.changed.clear();
        parts.features.reset();
        parts.format.controllerReset();
    }

    @Override
    public void shutdown() {}

    /** The composite temperature, in kelvins, which an operator may set; it may warn the driver. */
    void setTemperature(int kelvin) {
        parts.smart.setTemperature(kelvin);
    }

    @Override
    public void setStorage(int nsid, BlockBackend backend) {
        NvmeNamespace namespace = allocated(nsid);
        namespace.checkStorage(backend);
        parts.controller.drain();
        BlockBackend old = namespace.backend();
        if (!old.equals(backend)) {
            parts.controller.release(old);
        }
        namespace.setStorage(backend, backend.sizeBytes());
        parts.changed.add(nsid);
    }

    @Override
    public void resize(int nsid, long sizeBytes) {
        BlockBackend backend = allocated(nsid).backend();
        backend.grow(sizeBytes);
        setStorage(nsid, backend);
    }

    @Override
    public List<BlockBackend> storages() {
        return namespaces.allocated().stream()
                .map(NvmeNamespace::backend)
                .distinct()
                .toList();
    }

    private NvmeNamespace allocated(int nsid) {
        NvmeNamespace namespace = namespaces.allocated(nsid);
        if (namespace == null) {
            throw new ErrnoException(ENODEV, "namespace " + nsid + " of 1 to " + namespaces.count());
        }
        return namespace;
    }

    @Override
    public byte[] save() {
        return AdminState.take(namespaces, parts).toBytes();
    }

    @Override
    public void load(byte[] state) {
        AdminState.parse(state, namespaces).put(namespaces, parts);
    }
}
