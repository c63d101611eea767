package org.vfio4j.devicemodel;

import static org.vfio4j.uapi.PciRegs.PCI_CFG_SPACE_EXP_SIZE;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;

/**
 * A PCI Express function made of declared parts: ids, BARs, capabilities, and a device behind them. Made by
 * {@link EmulatedFunctionBuilder}; one thread at a time calls it, as {@link PciFunction} says.
 *
 * <p>A write of {@code PCI_EXP_DEVCTL_BCR_FLR} to its own configuration space resets it, as {@link #reset} does, and so waits
 * for its DMA to end.
 */
public final class EmulatedFunction implements PciFunction {

    private final RegisterSet config;
    private final List<PciBar> bars;
    private final @Nullable BarHandler[] handlers;
    private final byte[] rom;
    private final Map<Integer, Supplier<BarMemory>> memories;
    private final DeviceModel device;
    private final Interrupts interrupts;
    private final Optional<SriovCapability> sriov;
    private final Map<Class<?>, Object> platform;
    private final Map<Integer, List<BarNotification>> notifications;
    private final Runnable resetParts;

    EmulatedFunction(EmulatedFunctionBuilder parts, DeviceModel device) {
        this.device = device;
        interrupts = parts.interrupts();
        bars = parts.bars();
        handlers = parts.handlers();
        rom = parts.rom();
        sriov = parts.sriov();
        platform = parts.platform();
        notifications = parts.notifications();
        memories = parts.barMemories();
        resetParts = parts.resetParts();
        config = parts.layOut(this::reset, device);
    }

    /** How the device interrupts. */
    public Interrupts interrupts() {
        return interrupts;
    }

    @Override
    public int configSize() {
        return PCI_CFG_SPACE_EXP_SIZE;
    }

    @Override
    public int configRead(int offset, int width) {
        return (int) config.read(offset, width);
    }

    @Override
    public int configPeek(int offset, int width) {
        return (int) config.peek(offset, width);
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        config.write(offset, width, value);
    }

    @Override
    public List<PciBar> bars() {
        return bars;
    }

    @Override
    public long barRead(int bar, long offset, int width) {
        return handler(bar).read(offset, width);
    }

    @Override
    public void barWrite(int bar, long offset, int width, long value) {
        handler(bar).write(offset, width, value);
    }

    @Override
    public int romSizeBytes() {
        return rom.length;
    }

    @Override
    public long romRead(long offset, int width) {
        long value = 0;
        for (int i = width - 1; i >= 0; i--) {
            value = (value << 8) | (rom[(int) offset + i] & 0xff);
        }
        return value;
    }

    @Override
    public Optional<PciFunction> virtualFunction(int index) {
        return sriov.flatMap(capability -> capability.virtualFunction(index));
    }

    @Override
    public <T> Optional<T> platform(Class<T> type) {
        return Optional.ofNullable(platform.get(type)).map(type::cast);
    }

    @Override
    public List<BarNotification> notifications(int bar) {
        return notifications.getOrDefault(bar, List.of());
    }

    @Override
    public Optional<BarMemory> barMemory(int bar) {
        return Optional.ofNullable(memories.get(bar)).map(Supplier::get);
    }

    @Override
    public void connectIrqs(IrqSink sink) {
        interrupts.connect(sink);
    }

    @Override
    public void attachDma(DmaSpace space) {
        device.attachDma(space);
    }

    @Override
    public void detachDma() {
        device.detachDma();
    }

    @Override
    public void reset() {
        device.reset();
        resetRegisters();
    }

    @Override
    public void initiateReset() {
        device.initiateReset();
        resetRegisters();
    }

    private void resetRegisters() {
        resetParts.run();
        config.reset();
    }

    private BarHandler handler(int bar) {
        BarHandler handler = bar >= 0 && bar < handlers.length ? handlers[bar] : null;
        if (handler == null) {
            throw new IllegalArgumentException("BAR " + bar + ": the function has " + bars);
        }
        return handler;
    }
}
