package org.vfio4j.bus;

import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** A function as its driver sees it: tells when its configuration space was written, and is the function itself otherwise. */
final class ObservedFunction implements PciFunction {

    private final PciFunction function;
    private final Consumer<PciFunction> reset;
    private final Runnable configWritten;

    /** @param reset resets {@code function} */
    ObservedFunction(PciFunction function, Consumer<PciFunction> reset, Runnable configWritten) {
        this.function = function;
        this.reset = reset;
        this.configWritten = configWritten;
    }

    @Override
    public int configSize() {
        return function.configSize();
    }

    @Override
    public int configRead(int offset, int width) {
        return function.configRead(offset, width);
    }

    @Override
    public int configPeek(int offset, int width) {
        return function.configPeek(offset, width);
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        function.configWrite(offset, width, value);
        configWritten.run();
    }

    @Override
    public List<PciBar> bars() {
        return function.bars();
    }

    @Override
    public long barRead(int bar, long offset, int width) {
        return function.barRead(bar, offset, width);
    }

    @Override
    public void barWrite(int bar, long offset, int width, long value) {
        function.barWrite(bar, offset, width, value);
    }

    @Override
    public Optional<BarMemory> barMemory(int bar) {
        return function.barMemory(bar);
    }

    @Override
    public List<BarNotification> notifications(int bar) {
        return function.notifications(bar);
    }

    @Override
    public int romSizeBytes() {
        return function.romSizeBytes();
    }

    @Override
    public long romRead(long offset, int width) {
        return function.romRead(offset, width);
    }

    @Override
    public <T> Optional<T> platform(Class<T> type) {
        return function.platform(type);
    }

    @Override
    public Optional<PciFunction> virtualFunction(int index) {
        return function.virtualFunction(index);
    }

    @Override
    public void connectIrqs(IrqSink sink) {
        function.connectIrqs(sink);
    }

    @Override
    public void attachDma(DmaSpace space) {
        function.attachDma(space);
    }

    @Override
    public void detachDma() {
        function.detachDma();
    }

    @Override
    public void reset() {
        reset.accept(function);
        configWritten.run();
    }
}
