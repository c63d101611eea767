package org.vfio4j.bus;

import java.util.List;
import java.util.Optional;

/**
 * A function that stands before another and is that one but for what it says itself: for a layer between a function and whoever uses
 * it. All of {@link PciFunction} is here, what has a default there too, so that nothing of the other is lost.
 */
public interface ForwardingFunction extends PciFunction {

    /** The other. */
    PciFunction forwardee();

    @Override
    default int configSize() {
        return forwardee().configSize();
    }

    @Override
    default int configRead(int offset, int width) {
        return forwardee().configRead(offset, width);
    }

    @Override
    default int configPeek(int offset, int width) {
        return forwardee().configPeek(offset, width);
    }

    @Override
    default void configWrite(int offset, int width, int value) {
        forwardee().configWrite(offset, width, value);
    }

    @Override
    default List<PciBar> bars() {
        return forwardee().bars();
    }

    @Override
    default long barRead(int bar, long offset, int width) {
        return forwardee().barRead(bar, offset, width);
    }

    @Override
    default void barWrite(int bar, long offset, int width, long value) {
        forwardee().barWrite(bar, offset, width, value);
    }

    @Override
    default Optional<BarMemory> barMemory(int bar) {
        return forwardee().barMemory(bar);
    }

    @Override
    default List<BarNotification> notifications(int bar) {
        return forwardee().notifications(bar);
    }

    @Override
    default int romSizeBytes() {
        return forwardee().romSizeBytes();
    }

    @Override
    default long romRead(long offset, int width) {
        return forwardee().romRead(offset, width);
    }

    @Override
    default <T> Optional<T> platform(Class<T> type) {
        return forwardee().platform(type);
    }

    @Override
    default Optional<PciFunction> virtualFunction(int index) {
        return forwardee().virtualFunction(index);
    }

    @Override
    default void connectIrqs(IrqSink sink) {
        forwardee().connectIrqs(sink);
    }

    @Override
    default void useIrqs(IrqKind kind, int vectors) {
        forwardee().useIrqs(kind, vectors);
    }

    @Override
    default void unmaskIntx() {
        forwardee().unmaskIntx();
    }

    @Override
    default boolean writesThroughWindows() {
        return forwardee().writesThroughWindows();
    }

    @Override
    default void attachDma(DmaSpace space) {
        forwardee().attachDma(space);
    }

    @Override
    default void detachDma() {
        forwardee().detachDma();
    }

    @Override
    default void reset() {
        forwardee().reset();
    }

    @Override
    default void initiateReset() {
        forwardee().initiateReset();
    }
}
