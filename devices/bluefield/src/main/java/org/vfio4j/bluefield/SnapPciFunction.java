package org.vfio4j.bluefield;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.FunctionState;

/**
 * An emulated function as the host sees it: with the DPU's firmware between it and the host, which tracks what it writes, hears of
 * its resets, and alone has its state.
 */
final class SnapPciFunction implements PciFunction {

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
        return type == FunctionState.class ? Optional.empty() : function.platform(type);
    }

    @Override
    public void connectIrqs(IrqSink sink) {
        function.connectIrqs(sink);
    }

    @Override
    public void attachDma(DmaSpace space) {
        function.attachDma(new TrackedSpace(space, vhca.tracker()));
    }

    @Override
    public void detachDma() {
        function.detachDma();
    }

    @Override
    public void reset() {
        function.reset();
        vhca.reset();
    }
}
