package org.vfio4j.bus;

import java.util.function.Consumer;

/** A function as its driver sees it: tells when its configuration space was written, and is the function itself otherwise. */
final class ObservedFunction implements ForwardingFunction {

    private final PciFunction function;
    private final Consumer<Runnable> reset;
    private final Runnable configWritten;

    /** @param reset has a reset of {@code function} done */
    ObservedFunction(PciFunction function, Consumer<Runnable> reset, Runnable configWritten) {
        this.function = function;
        this.reset = reset;
        this.configWritten = configWritten;
    }

    @Override
    public PciFunction forwardee() {
        return function;
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        function.configWrite(offset, width, value);
        configWritten.run();
    }

    @Override
    public void reset() {
        reset.accept(function::reset);
        configWritten.run();
    }

    @Override
    public void initiateReset() {
        reset.accept(function::initiateReset);
        configWritten.run();
    }
}
