package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.uapi.VfioIoctl.VFIO_MIG_GET_PRECOPY_INFO;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.uapi.Vfio.PrecopyInfo;
import org.vfio4j.vfio.VfioMigrationState;

/** The descriptor by which a device's state goes out or in: the kernel gives one for each stream. Belongs to the file's user. */
final class MigrationData implements AutoCloseable {

    private static final int SCRATCH_BYTES = 1 << 16;

    private final String name;

    /** What the kernel copies to and from, since the caller's memory may be on the heap. */
    private final MemorySegment scratch = Arena.ofAuto().allocate(SCRATCH_BYTES);

    private @Nullable Fd stream;

    MigrationData(String name) {
        this.name = name;
    }

    /**
     * The device has gone to a state.
     *
     * @param number the descriptor that came with it, or a negative one
     */
    void entered(VfioMigrationState state, int number) {
        if (number >= 0) {
            close();
            stream = Fd.own(number);
            return;
        }
        switch (state) {
            case STOP_COPY, RESUMING, PRE_COPY, PRE_COPY_P2P -> {
                // The stream goes on.
            }
            default -> close();
        }
    }

    int read(MemorySegment buffer, long at, int count) {
        Fd from = stream("read migration data");
        Objects.checkFromIndexSize(at, count, buffer.byteSize());
        int piece = Math.min(count, SCRATCH_BYTES);
        long came = FileIo.read(from.value(), scratch.address(), piece);
        if (came < 0) {
            throw new ErrnoException((int) -came, name + ": read " + piece + " bytes of migration data");
        }
        MemorySegment.copy(scratch, 0, buffer, at, came);
        return (int) came;
    }

    void write(MemorySegment buffer, long at, int count) {
        Fd to = stream("write migration data");
        Objects.checkFromIndexSize(at, count, buffer.byteSize());
        for (int done = 0; done < count; ) {
            int piece = Math.min(count - done, SCRATCH_BYTES);
            MemorySegment.copy(buffer, at + done, scratch, 0, piece);
            long went = FileIo.write(to.value(), scratch.address(), piece);
            if (went <= 0) {
                throw new ErrnoException(
                        went == 0 ? EIO : (int) -went, name + ": write " + piece + " bytes of migration data");
            }
            done += (int) went;
        }
    }

    /** What is left to read in PRE_COPY. The kernel has it as a request to the stream, the interface as a feature. */
    void precopyInfo(MemorySegment data) {
        Fd from = stream("precopy info");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment structure = arena.allocate(PrecopyInfo.SIZEOF, Long.BYTES);
            structure.set(JAVA_INT, PrecopyInfo.ARGSZ, PrecopyInfo.SIZEOF);
            KernelCalls.of(from).call(VFIO_MIG_GET_PRECOPY_INFO, structure);
            MemorySegment.copy(structure, 0, data, 0, PrecopyInfo.SIZEOF);
        }
    }

    @Override
    public void close() {
        Fd old = stream;
        stream = null;
        if (old != null) {
            old.close();
        }
    }

    private Fd stream(String what) {
        Fd open = stream;
        if (open == null) {
            throw new ErrnoException(EINVAL, name + ": " + what + " in a state that has none");
        }
        return open;
    }
}
