package org.vfio4j.bluefield;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.ForwardingFunction;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.FunctionState;

/**
 * An emulated function as the host sees it: with the DPU's firmware between it and the host, which tracks what it writes, hears of
 * its resets, and alone has its state.
 */
final class SnapPciFunction implements ForwardingFunction {

    private final PciFunction function;
    private final Vhca vhca;
    private final Virtuals virtuals;

    /** Makes the VHCA of a virtual function that is on for the first time. */
    interface Virtuals {
        Vhca of(int index, PciFunction function);
    }

    // Those that have been on, as the host sees them.
    private final Map<Integer, PciFunction> made = new ConcurrentHashMap<>();

    SnapPciFunction(PciFunction function, Vhca vhca, Virtuals virtuals) {
        this.function = function;
        this.vhca = vhca;
        this.virtuals = virtuals;
    }

    @Override
    public PciFunction forwardee() {
        return function;
    }

    @Override
    public Optional<PciFunction> virtualFunction(int index) {
        return function.virtualFunction(index).map(virtual -> made.computeIfAbsent(index, i -> snap(i, virtual)));
    }

    private PciFunction snap(int index, PciFunction virtual) {
        return withoutVirtual(virtual, virtuals.of(index, virtual));
    }

    /** One that has no virtual functions. */
    static SnapPciFunction withoutVirtual(PciFunction function, Vhca vhca) {
        return new SnapPciFunction(function, vhca, (i, none) -> {
            throw new IllegalStateException("VHCA " + vhca.id() + " has no virtual function");
        });
    }

    @Override
    public <T> Optional<T> platform(Class<T> type) {
        return type == FunctionState.class ? Optional.empty() : function.platform(type);
    }

    @Override
    public void attachDma(DmaSpace space) {
        function.attachDma(new TrackedSpace(space, vhca.tracker()));
    }

    @Override
    public void reset() {
        function.reset();
        vhca.reset();
    }

    @Override
    public void initiateReset() {
        function.initiateReset();
        vhca.reset();
    }
}
