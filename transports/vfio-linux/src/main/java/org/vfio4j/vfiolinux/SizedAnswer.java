package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.sys.Errno.E2BIG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Consumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioIoctl;
import org.vfio4j.vfio.VfioCapabilityChain;
import org.vfio4j.vfio.VfioInfoCapability;

/**
 * Questions whose answer says how long it would be: all structures that begin with u32 argsz, and may have capabilities at their end.
 * Stateless.
 */
final class SizedAnswer {

    private static final int ARGSZ = 0;

    /** Room in the first question, for nearly all answers. */
    private static final int FIRST_BYTES = 1024;

    /** More than any answer has. */
    private static final int MOST_BYTES = 1 << 20;

    private SizedAnswer() {}

    /**
     * Asks, and asks again with more room when the answer is longer.
     *
     * @param question fills what the structure has behind argsz
     * @return the answer, as long as it says
     */
    static MemorySegment ask(KernelCalls kernel, Arena arena, VfioIoctl request, Consumer<MemorySegment> question) {
        int room = FIRST_BYTES;
        while (true) {
            MemorySegment structure = arena.allocate(room, Long.BYTES);
            question.accept(structure);
            structure.set(JAVA_INT, ARGSZ, room);
            kernel.call(request, structure);
            long needed = Integer.toUnsignedLong(structure.get(JAVA_INT, ARGSZ));
            if (needed <= room) {
                return structure.asSlice(0, needed);
            }
            if (needed > MOST_BYTES) {
                throw new ErrnoException(
                        E2BIG, request + " answered by " + needed + " bytes: the limit is " + MOST_BYTES);
            }
            room = (int) needed;
        }
    }

    /**
     * The capabilities of an answer.
     *
     * @param there whether its flags say that there are some
     * @param offsetAt where it has the offset of the first one
     */
    static List<VfioInfoCapability> capabilities(MemorySegment answer, boolean there, int offsetAt) {
        boolean room = answer.byteSize() >= offsetAt + Integer.BYTES;
        return there && room ? VfioCapabilityChain.parse(answer, answer.get(JAVA_INT, offsetAt)) : List.of();
    }
}
