package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.sys.Errno.ENOTTY;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioIoctl;

/** Answers requests as a test says, and keeps their bytes as they came. */
final class FakeKernel implements KernelCalls {

    /** A request's structure: as many bytes as its argsz says. */
    record Request(VfioIoctl request, byte[] bytes) {}

    final List<Request> requests = new ArrayList<>();
    private final Map<VfioIoctl, Consumer<MemorySegment>> answers = new EnumMap<>(VfioIoctl.class);

    /** @param answer gets the structure, as long as the request says, and may throw */
    FakeKernel on(VfioIoctl request, Consumer<MemorySegment> answer) {
        answers.put(request, answer);
        return this;
    }

    byte[] last() {
        return requests.getLast().bytes();
    }

    @Override
    public int call(VfioIoctl request, MemorySegment structure) {
        boolean sized = structure.byteSize() >= Integer.BYTES;
        MemorySegment whole = sized ? structure.asSlice(0, structure.get(JAVA_INT, 0)) : structure;
        requests.add(new Request(request, whole.toArray(JAVA_BYTE)));
        Consumer<MemorySegment> answer = answers.get(request);
        if (answer == null) {
            throw new ErrnoException(ENOTTY, request.name());
        }
        answer.accept(whole);
        return 0;
    }
}
