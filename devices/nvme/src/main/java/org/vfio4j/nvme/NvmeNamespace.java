package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.EINVAL;

import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.ErrnoException;

/** A namespace, attached or not (Base 2.1.1). Belongs to the queue thread. */
final class NvmeNamespace implements Namespace {

    /** Identify's FPI while there is nothing to do: bit 7 says that the field is kept. */
    private static final int FORMAT_DONE = 0x80;

    private final int nsid;
    private final NamespaceIds ids;
    private BlockBackend backend;
    private final long offset;
    private long sizeBytes;
    private int format;

    boolean attached;

    /** Namespace Write Protection Config: the driver's word, beside the storage's. */
    boolean writeProtected;

    /** Error Recovery, CDW11 as it was set. */
    int errorRecovery;

    /** Percents of a format that are still to be done, 0 while there is none. */
    private int formatRemaining;

    /**
     * @param sizeBytes of the storage at {@code offset} that is the namespace's
     * @param format an index of {@link LbaFormat}
     */
    NvmeNamespace(int nsid, NamespaceIds ids, BlockBackend backend, long offset, long sizeBytes, int format) {
        this.nsid = nsid;
        this.ids = ids;
        this.backend = backend;
        this.offset = offset;
        this.sizeBytes = sizeBytes;
        this.format = format;
    }

    int nsid() {
        return nsid;
    }

    NamespaceIds ids() {
        return ids;
    }

    @Override
    public BlockBackend backend() {
        return backend;
    }

    @Override
    public long offset() {
        return offset;
    }

    /** Bytes of storage, which may be more than its blocks have. */
    long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public long blocks() {
        return sizeBytes >>> lbaShift();
    }

    @Override
    public int lbaShift() {
        return LbaFormat.shift(format);
    }

    int format() {
        return format;
    }

    /** Whether a namespace of its size can have this format: it would have a block at least. */
    boolean canHave(int otherFormat) {
        return sizeBytes >>> LbaFormat.shift(otherFormat) > 0;
    }

    void setFormat(int newFormat) {
        format = newFormat;
    }

    @Override
    public boolean isWriteProtected() {
        return writeProtected || backend.readOnly();
    }

    @Override
    public int notReady() {
        return formatRemaining == 0 ? 0 : NvmeStatus.FORMAT_IN_PROGRESS;
    }

    /** Identify's FPI (NVM Command Set figure 97). */
    int formatProgressIndicator() {
        return FORMAT_DONE | formatRemaining;
    }

    /** @param percents 0 to 100 */
    void setFormatRemaining(int percents) {
        formatRemaining = percents;
    }

    /** @throws ErrnoException EINVAL when the namespace would have no block on it */
    void checkStorage(BlockBackend other) {
        if (other.sizeBytes() >>> lbaShift() == 0) {
            throw new ErrnoException(
                    EINVAL,
                    other.describe() + " of " + other.sizeBytes() + " bytes, less than a block of "
                            + (1 << lbaShift()));
        }
    }

    /** Stands on other storage from now on, or on the same that has another size. */
    void setStorage(BlockBackend newBackend, long newSizeBytes) {
        backend = newBackend;
        sizeBytes = newSizeBytes;
    }
}
