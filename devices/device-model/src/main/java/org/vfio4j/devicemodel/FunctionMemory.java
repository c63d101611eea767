package org.vfio4j.devicemodel;

import java.util.List;
import org.vfio4j.sys.Fd;

/**
 * The memory behind a function's BARs that users may have mapped ({@code PciFunction.barMemory}), on its way to another function of the same
 * kind: its users go on storing there without asking, so the other has to look where they store. A function that has such memory and a
 * {@link FunctionState} gives this as {@code PciFunction.platform(FunctionMemory.class)}.
 *
 * <p>The function is suspended. One thread at a time calls, as for {@link FunctionState}.
 */
public interface FunctionMemory {

    /** The memory, for {@link #adopt} of another function; duplicates, the caller's. */
    List<Fd> share();

    /**
     * Has another function's memory in the place of its own from when it is resumed. Before that it neither reads nor writes it, since the
     * other may go on; when it is reset first, it never does, and keeps its own.
     *
     * @param memory as {@link #share} of the other has given it; stays the caller's
     * @throws org.vfio4j.sys.ErrnoException EINVAL when it is no memory of such a function: nothing has changed then
     */
    void adopt(List<Fd> memory);

    /**
     * Another function goes on with the memory, as {@link #share} has given it: this one has fresh memory of its own, so that its end does not
     * write there.
     */
    void leave();
}
