package org.vfio4j.nvme;

import org.jspecify.annotations.Nullable;

/**
 * The Format NVM command (Base 5.14): a namespace gets another LBA format, and zeroes. It is done piece by piece between other work
 * of the queue thread, to which it belongs; meanwhile I/O commands to the namespace are refused. A reset does not end it.
 */
final class FormatCommand {

    /** So much at a time holds up other commands. */
    static final long PIECE_BYTES = 64 << 20;

    /** What is said of a job whose command is gone with its queue. */
    static final int NO_COMMAND = -1;

    // CDW10; Base figure 177.
    private static final int LBAFL_MASK = 0xf;
    private static final int PI_MASK = 7 << 5;
    private static final int SES_SHIFT = 9;
    private static final int SES_MASK = 7;
    private static final int SES_USER_DATA_ERASE = 1;
    private static final int LBAFU_SHIFT = 12;
    private static final int LBAFU_MASK = 3;

    private final NamespaceTable namespaces;
    private final ChangedNamespaces changed;
    private final ControllerHooks controller;
    private @Nullable Job job;
    private boolean stepping;
    private boolean again;

    /**
     * One that is going on.
     *
     * @param cid its command, or {@link #NO_COMMAND}
     * @param format the new one
     * @param done bytes that are zeroes already
     */
    record Job(int cid, int nsid, int format, long done) {}

    FormatCommand(NamespaceTable namespaces, ChangedNamespaces changed, ControllerHooks controller) {
        this.namespaces = namespaces;
        this.changed = changed;
        this.controller = controller;
    }

    int execute(AdminCommand command) {
        if (job != null && job.cid == command.cid() && job.nsid == command.nsid()) {
            return AdminHandler.HELD; // the same command, carried out again
        }
        int status = check(command);
        if (status != NvmeStatus.SUCCESSFUL_COMPLETION) {
            return status == NvmeStatus.FORMAT_IN_PROGRESS ? status : status | NvmeStatus.DNR;
        }
        controller.drain();
        begin(new Job(command.cid(), command.nsid(), format(command), 0));
        return AdminHandler.HELD;
    }

    /** The command is gone; what it asked for is done all the same. */
    void controllerReset() {
        if (job != null) {
            job = new Job(NO_COMMAND, job.nsid, job.format, job.done);
        }
    }

    /** What is going on, or null, for {@link #begin}. */
    @Nullable
    Job job() {
        return job;
    }

    /** Goes on with a job, of this controller or of another that had the same namespaces. */
    void begin(Job begun) {
        job = begun;
        showProgress(begun);
        controller.run(this::step);
    }

    /** Forgets what is going on, since another state takes its place. */
    void forget() {
        if (job != null) {
            NvmeNamespace namespace = namespaces.allocated(job.nsid);
            if (namespace != null) {
                namespace.setFormatRemaining(0);
            }
            job = null;
        }
    }

    private int check(AdminCommand command) {
        if (command.nsid() == NvmeSpec.NSID_BROADCAST) {
            return NvmeStatus.INVALID_FIELD_IN_COMMAND; // as Identify's FNA says
        }
        if (!namespaces.isValid(command.nsid())) {
            return NvmeStatus.INVALID_NAMESPACE_OR_FORMAT;
        }
        NvmeNamespace namespace = namespaces.active(command.nsid());
        if (namespace == null || ((command.cdw10() >>> SES_SHIFT) & SES_MASK) > SES_USER_DATA_ERASE) {
            return NvmeStatus.INVALID_FIELD_IN_COMMAND;
        }
        int format = format(command);
        if (format >= LbaFormat.count() || (command.cdw10() & PI_MASK) != 0 || !namespace.canHave(format)) {
            return NvmeStatus.INVALID_FORMAT;
        }
        if (job != null) {
            return NvmeStatus.FORMAT_IN_PROGRESS;
        }
        return namespace.isWriteProtected()
                ? NvmeStatus.NAMESPACE_IS_WRITE_PROTECTED
                : NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private static int format(AdminCommand command) {
        int upper = (command.cdw10() >>> LBAFU_SHIFT) & LBAFU_MASK;
        return (command.cdw10() & LBAFL_MASK) | (upper << 4);
    }

    /** Where tasks are run at once, a step would be called by the one before it, deeper and deeper: it is done behind that one. */
    private void step() {
        if (stepping) {
            again = true;
            return;
        }
        stepping = true;
        do {
            again = false;
            clearPiece();
        } while (again);
        stepping = false;
    }

    /** One that was asked for twice, by two states that were loaded, is one more piece, and does no harm. */
    private void clearPiece() {
        Job now = job;
        NvmeNamespace namespace = now == null ? null : namespaces.allocated(now.nsid);
        if (now == null || namespace == null) {
            return;
        }
        long piece = Math.min(PIECE_BYTES, namespace.sizeBytes() - now.done);
        int result = piece <= 0 ? 0 : controller.clear(namespace.backend(), namespace.offset() + now.done, piece);
        if (result < 0) {
            end(now, namespace, NvmeStatus.WRITE_FAULT);
        } else if (now.done + piece < namespace.sizeBytes()) {
            begin(new Job(now.cid, now.nsid, now.format, now.done + piece));
        } else {
            namespace.setFormat(now.format);
            changed.add(now.nsid);
            end(now, namespace, NvmeStatus.SUCCESSFUL_COMPLETION);
        }
    }

    private void end(Job ended, NvmeNamespace namespace, int status) {
        job = null;
        namespace.setFormatRemaining(0);
        if (ended.cid != NO_COMMAND) {
            controller.complete(ended.cid, 0, status);
        }
    }

    private void showProgress(Job shown) {
        NvmeNamespace namespace = namespaces.allocated(shown.nsid);
        if (namespace != null) {
            long left = namespace.sizeBytes() - shown.done;
            // Never 0 before the end, since that says that it is over.
            namespace.setFormatRemaining(Math.clamp(100 * (left >>> 9) / (namespace.sizeBytes() >>> 9), 1, 100));
        }
    }
}
