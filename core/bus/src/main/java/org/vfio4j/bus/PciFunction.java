package org.vfio4j.bus;

import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * A PCI function as hardware offers it: configuration space, BARs, interrupts, DMA, reset. Emulated functions and real ones
 * implement it; {@code vfio-pci-core} is its only caller while a user has it open.
 *
 * <p>One thread at a time calls these methods. None blocks for long but {@link #detachDma}, {@link #reset}, and {@link #initiateReset}
 * of some. Numbers are
 * little-endian values, widths are in bytes.
 */
public interface PciFunction {

    /** Size of the configuration space: 256, or 4096 for a PCI Express function. */
    int configSize();

    /**
     * Reads the function's own configuration space, not virtualised.
     *
     * @param offset a multiple of {@code width}, inside the space
     * @param width 1, 2 or 4
     * @return the value, zero-extended
     */
    int configRead(int offset, int width);

    /** As {@link #configRead}, for who only looks on: a register of which a read does something reads as zero. */
    default int configPeek(int offset, int width) {
        return configRead(offset, width);
    }

    /** Writes the function's own configuration space; read-only bits are kept. Arguments as for {@link #configRead}. */
    void configWrite(int offset, int width, int value);

    /** The BARs it implements, by ascending index. */
    List<PciBar> bars();

    /**
     * Reads a BAR. A register that does not exist reads as zero.
     *
     * @param bar an index that {@link #bars} names
     * @param offset a multiple of {@code width}, inside the BAR
     * @param width 1, 2, 4 or 8
     */
    long barRead(int bar, long offset, int width);

    /** Writes a BAR; otherwise as {@link #barRead}. */
    void barWrite(int bar, long offset, int width, long value);

    /** Memory behind a BAR that users may access directly, such as a page of doorbells; empty when every access is trapped. */
    default Optional<BarMemory> barMemory(int bar) {
        return Optional.empty();
    }

    /** Registers of a BAR that only say that there is work, by ascending offset. */
    default List<BarNotification> notifications(int bar) {
        return List.of();
    }

    /** Bytes of its expansion ROM, a power of two; 0 for none. */
    default int romSizeBytes() {
        return 0;
    }

    /** Reads the expansion ROM; arguments as for {@link #barRead}. */
    default long romRead(long offset, int width) {
        return 0;
    }

    /**
     * What the platform's firmware says of the function, as a kernel learns it from ACPI, from firmware tables or from a machine's
     * channel subsystem: facts that no register has. For extensions of {@code vfio-pci-core}, which define the types.
     *
     * @return empty when the platform says nothing of this kind
     */
    default <T> Optional<T> platform(Class<T> type) {
        return Optional.empty();
    }

    /**
     * A virtual function of this physical one (PCI Express Base 6.0, 9): the same object each time, there while the SR-IOV
     * capability has VF Enable set and more than {@code index} VFs. It implements no more than a VF does: its ids read as
     * 0xffff, its BARs as zero, and its memory decodes whatever its command register says.
     *
     * @param index from 0
     */
    default Optional<PciFunction> virtualFunction(int index) {
        return Optional.empty();
    }

    /** From now on interrupts go to {@code sink}; {@link IrqSink#NONE} drops them. */
    void connectIrqs(IrqSink sink);

    /**
     * What its user listens to from now on: {@code vectors} of one kind, from 0, and no other. A function whose interrupts come from
     * elsewhere, as those of hardware do from the kernel, asks for them there, and sends none of which it was not told. For any other
     * its own enable bits say enough.
     *
     * @param vectors 1 for INTx, 0 for {@link IrqKind#NONE}
     * @throws ErrnoException when it cannot have so many; then it sends those of before, or none
     */
    default void useIrqs(IrqKind kind, int vectors) {}

    /**
     * Its user lets INTx through again. A function whose interrupt was masked where it comes from lowers the level, and raises it again if
     * there is still something to report. Any thread; does not block.
     */
    default void unmaskIntx() {}

    /**
     * Gives the function memory to master. It had none before.
     *
     * @throws ErrnoException when it has to {@linkplain DmaSpace#follow follow} the space and cannot: then it has none
     */
    void attachDma(DmaSpace space);

    /**
     * Whether it writes memory through the windows of its {@link DmaSpace}, so that a log of what is written sees it: not so for hardware,
     * which writes by itself.
     */
    default boolean writesThroughWindows() {
        return true;
    }

    /**
     * Takes the memory away: returns when no access is in flight and none will start. The function keeps its state. Nothing for one that has
     * none; after a failure another try.
     */
    void detachDma();

    /**
     * Function level reset (PCI Express Base 6.0, 6.6.2): returns when the function is in its initial state, its queues
     * stopped and its DMA ended. DMA space and interrupt sink stay.
     */
    void reset();

    /**
     * The same for a driver that asks by a register, whose access must not wait for longer than the 100 ms that a function has: where DMA
     * does not end by then, the function returns and says by its own registers when it has. A function without such registers waits.
     */
    default void initiateReset() {
        reset();
    }
}
