package org.vfio4j.nvme;

import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * Memory between the driver's and the storage, for commands whose data do not go directly; made when it is first used. Belongs to the
 * queue thread.
 *
 * <pre>
 *   0     a page for lists        4096  an iovec
 *   8192  the driver's data       then  data of the storage to compare these with, or to copy
 * </pre>
 */
final class Bounce implements AutoCloseable {

    private static final int IOVEC_AT = 4096;
    private static final int DATA_AT = 8192;
    private static final int OTHER_AT = DATA_AT + NvmeLimits.MAX_TRANSFER_BYTES;
    private static final int BYTES = OTHER_AT + NvmeLimits.MAX_TRANSFER_BYTES;

    private @Nullable Mapping memory;
    private @Nullable DataPointer pointer;

    /**
     * Finds a command's data.
     *
     * @param bytes how many there are, more than 0
     * @param remote whether the driver's memory is reached by messages as well, for which the window may go offline
     * @return a status, {@link DataPointer#CUT_SHORT}, or {@link DataPointer#UNREACHABLE} when it takes messages
     */
    int find(IoCommand command, int bytes, int pageBytes, DmaWindow window, boolean remote) {
        return pointer().find(command.psdt, command.dptr0, command.dptr1, bytes, pageBytes, window, remote);
    }

    /** Finds a command's data and copies them to {@link #data}: as {@link #find}. */
    int fromDriver(IoCommand command, int bytes, int pageBytes, DmaWindow window, boolean remote) {
        int status = find(command, bytes, pageBytes, window, remote);
        DataPieces pieces = pointer().pieces();
        long to = data();
        for (int i = 0; i < pieces.count() && status == NvmeStatus.SUCCESSFUL_COMPLETION; i++) {
            int length = pieces.length(i);
            if (remote) {
                status = DataPointer.statusOf(window.read(pieces.iova(i), to, length));
            } else {
                long host = window.translate(pieces.iova(i), length, DmaSpace.READ);
                if (host <= 0) {
                    return DataPointer.UNREACHABLE;
                }
                RawMemory.copy(host, to, length);
            }
            to += length;
        }
        return status;
    }

    /** Copies from {@link #data} to where the data were found: a status or {@link DataPointer#CUT_SHORT}. */
    int toDriver(DmaWindow window) {
        DataPieces pieces = pointer().pieces();
        int status = NvmeStatus.SUCCESSFUL_COMPLETION;
        long from = data();
        for (int i = 0; i < pieces.count() && status == NvmeStatus.SUCCESSFUL_COMPLETION; i++) {
            status = DataPointer.statusOf(window.write(pieces.iova(i), from, pieces.length(i)));
            from += pieces.length(i);
        }
        return status;
    }

    /** An iovec for {@code bytes} at {@code address}: good until the next is asked for. */
    long iovec(long address, int bytes) {
        long at = memory().address() + IOVEC_AT;
        RawMemory.putLong(at, address);
        RawMemory.putLong(at + Long.BYTES, bytes);
        return at;
    }

    /** Where {@link NvmeLimits#MAX_TRANSFER_BYTES} are. */
    long data() {
        return memory().address() + DATA_AT;
    }

    /** Where as many others are. */
    long other() {
        return memory().address() + OTHER_AT;
    }

    @Override
    public void close() {
        Mapping mapping = memory;
        memory = null;
        pointer = null;
        if (mapping != null) {
            mapping.close();
        }
    }

    private DataPointer pointer() {
        DataPointer made = pointer;
        if (made == null) {
            made = new DataPointer(memory().address());
            pointer = made;
        }
        return made;
    }

    private Mapping memory() {
        Mapping mapping = memory;
        if (mapping == null) {
            mapping = Mapping.anonymous(BYTES);
            memory = mapping;
        }
        return mapping;
    }
}
