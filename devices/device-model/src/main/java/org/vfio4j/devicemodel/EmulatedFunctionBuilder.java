package org.vfio4j.devicemodel;

import static org.vfio4j.uapi.PciRegs.PCI_CACHE_LINE_SIZE;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_DEVICE;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_PROG;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_INTX_DISABLE;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_IO;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_PARITY;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_SERR;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_DSN_SIZEOF;
import static org.vfio4j.uapi.PciRegs.PCI_EXT_CAP_ID_DSN;
import static org.vfio4j.uapi.PciRegs.PCI_INTERRUPT_LINE;
import static org.vfio4j.uapi.PciRegs.PCI_INTERRUPT_PIN;
import static org.vfio4j.uapi.PciRegs.PCI_REVISION_ID;
import static org.vfio4j.uapi.PciRegs.PCI_ROM_ADDRESS;
import static org.vfio4j.uapi.PciRegs.PCI_ROM_ADDRESS_ENABLE;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS_CAP_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS_INTERRUPT;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_ID;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_VENDOR_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.PciBar;

/** The parts of an {@link EmulatedFunction}, said one by one. Capabilities are chained in the order in which they are added. */
public final class EmulatedFunctionBuilder {

    /** Error bits of the status register, which a write of 1 clears. */
    private static final int STATUS_ERRORS = 0xf900;

    private static final int MSIX_BAR_LEAST_BYTES = 4096;
    private static final int BARS = 6;
    private static final int ROM_LEAST_BYTES = 2048;
    private static final int INTA = 1;
    private static final int NO_ID = 0xffff;

    private final int vendorId;
    private final int deviceId;
    private int subsystemVendorId;
    private int subsystemId;
    private int revision;
    private int classCode;
    private boolean intx;
    private byte[] rom = {};
    private boolean virtual;
    private @Nullable SriovCapability sriov;
    private @Nullable MsixTable msix;
    private @Nullable Runnable flr;
    private final List<PciBar> bars = new ArrayList<>();
    private final @Nullable BarHandler[] handlers = new @Nullable BarHandler[BARS];
    private final Map<Integer, Supplier<BarMemory>> barMemory = new HashMap<>();
    private final List<Capability> capabilities = new ArrayList<>();
    private final List<ExtendedCapability> extendedCapabilities = new ArrayList<>();
    private final List<Register> registers = new ArrayList<>();
    private final Map<Class<?>, Object> platform = new HashMap<>();
    private final Map<Integer, List<BarNotification>> notifications = new HashMap<>();
    private final Interrupts interrupts = new Interrupts();

    /** @param vendorId and {@code deviceId} are what drivers match */
    public EmulatedFunctionBuilder(int vendorId, int deviceId) {
        this.vendorId = vendorId;
        this.deviceId = deviceId;
    }

    public EmulatedFunctionBuilder subsystem(int vendorId, int id) {
        subsystemVendorId = vendorId;
        subsystemId = id;
        return this;
    }

    /** @param code base class, sub-class and programming interface, as 0x010802 */
    public EmulatedFunctionBuilder classCode(int code, int revision) {
        classCode = code;
        this.revision = revision;
        return this;
    }

    /** The function has an interrupt pin, INTA. */
    public EmulatedFunctionBuilder intx() {
        intx = true;
        return this;
    }

    public EmulatedFunctionBuilder bar(PciBar bar, BarHandler handler) {
        bars.add(bar);
        handlers[bar.index()] = handler;
        return this;
    }

    /**
     * An expansion ROM, as firmware of a virtual machine reads it.
     *
     * @param image what is in it; zeroes follow up to the next power of two, 2048 at least
     */
    public EmulatedFunctionBuilder rom(byte[] image) {
        int size = Math.max(ROM_LEAST_BYTES, Integer.highestOneBit(image.length - 1) << 1);
        rom = Arrays.copyOf(image, size);
        return this;
    }

    /**
     * Memory behind parts of a BAR, which stays the device's: what the BAR's handler keeps there users may access directly.
     *
     * @param memory gives what it is now: see {@link FunctionMemory}
     */
    public EmulatedFunctionBuilder barMemory(int bar, Supplier<BarMemory> memory) {
        barMemory.put(bar, memory);
        return this;
    }

    /** Registers of a BAR that only say that there is work: what they do besides, their handler does for writes. */
    public EmulatedFunctionBuilder notifications(int bar, List<BarNotification> registers) {
        notifications.put(bar, registers);
        return this;
    }

    public EmulatedFunctionBuilder capability(Capability capability) {
        capabilities.add(capability);
        return this;
    }

    public EmulatedFunctionBuilder powerManagement() {
        return capability(Capability.powerManagement());
    }

    /** PCI Express endpoint with function level reset. */
    public EmulatedFunctionBuilder pciExpress() {
        return capability(Capability.pciExpress(this::functionLevelReset));
    }

    /**
     * MSI-X with a 32-bit BAR of its own for table and pending bits.
     *
     * @param vectors 1 to 2048
     */
    public EmulatedFunctionBuilder msix(int vectors, int bar) {
        MsixTable table = new MsixTable(vectors);
        msix = table;
        long size = Math.max(MSIX_BAR_LEAST_BYTES, Long.highestOneBit(table.sizeBytes() - 1L) << 1);
        bar(new PciBar(bar, size, PciBar.Kind.MEM32, false), table);
        return capability(Capability.msix(table, bar, interrupts));
    }

    /** @param vectors a power of two from 1 to 32 */
    public EmulatedFunctionBuilder msi(int vectors) {
        return capability(Capability.msi(Integer.numberOfTrailingZeros(vectors), interrupts));
    }

    /** An extended capability with a number that is the device's alone. */
    public EmulatedFunctionBuilder serialNumber(long number) {
        extendedCapabilities.add(new ExtendedCapability(
                PCI_EXT_CAP_ID_DSN,
                PCI_EXT_CAP_DSN_SIZEOF,
                at -> List.of(Register.at(at + 4, 8, "device serial number").reset(number))));
        return this;
    }

    /** The function can have virtual functions: an SR-IOV capability. For a function with {@link #pciExpress} only. */
    public EmulatedFunctionBuilder sriov(VirtualFunctions virtualFunctions) {
        SriovCapability capability = new SriovCapability(virtualFunctions);
        sriov = capability;
        extendedCapabilities.add(capability.capability());
        return this;
    }

    /**
     * The function is a virtual one: ids, BARs and interrupt pin are not in its configuration space, and its memory decodes when
     * its physical function says so (PCI Express Base 6.0, 9.3.4).
     */
    public EmulatedFunctionBuilder virtualFunction() {
        virtual = true;
        return this;
    }

    /** A register of its configuration space that belongs to no capability, as functions have them behind the standard header. */
    public EmulatedFunctionBuilder register(Register register) {
        registers.add(register);
        return this;
    }

    /** What the platform says of it: see {@link org.vfio4j.bus.PciFunction#platform}. */
    public <T> EmulatedFunctionBuilder platform(Class<T> type, T data) {
        platform.put(type, data);
        return this;
    }

    /** How the function that is being built interrupts: for parts that are made before it. */
    public Interrupts interrupts() {
        return interrupts;
    }

    /** @throws IllegalArgumentException when the parts do not fit together */
    public EmulatedFunction build(DeviceModel device) {
        return new EmulatedFunction(this, device);
    }

    List<PciBar> bars() {
        return bars.stream().sorted(Comparator.comparingInt(PciBar::index)).toList();
    }

    @Nullable
    BarHandler[] handlers() {
        return handlers.clone();
    }

    byte[] rom() {
        return rom;
    }

    Map<Integer, List<BarNotification>> notifications() {
        return Map.copyOf(notifications);
    }

    Map<Class<?>, Object> platform() {
        return Map.copyOf(platform);
    }

    Map<Integer, Supplier<BarMemory>> barMemories() {
        return Map.copyOf(barMemory);
    }

    /** What a reset must reach apart from the device and the configuration space. */
    Runnable resetParts() {
        MsixTable table = msix;
        SriovCapability virtuals = sriov;
        return () -> {
            if (table != null) {
                table.reset();
            }
            if (virtuals != null) {
                virtuals.reset();
            }
        };
    }

    Optional<SriovCapability> sriov() {
        return Optional.ofNullable(sriov);
    }

    RegisterSet layOut(Runnable functionLevelReset, DeviceModel device) {
        flr = functionLevelReset;
        ConfigSpaceLayout layout = new ConfigSpaceLayout();
        if (virtual && (intx || sriov != null)) {
            throw new IllegalArgumentException("a virtual function has neither an interrupt pin nor virtual functions");
        }
        layout.add(Register.at(PCI_VENDOR_ID, 2, "vendor id").reset(virtual ? NO_ID : vendorId));
        layout.add(Register.at(PCI_DEVICE_ID, 2, "device id").reset(virtual ? NO_ID : deviceId));
        layout.add(command(device));
        layout.add(status());
        layout.add(Register.at(PCI_REVISION_ID, 1, "revision").reset(revision));
        layout.add(Register.at(PCI_CLASS_PROG, 1, "programming interface").reset(classCode));
        layout.add(Register.at(PCI_CLASS_DEVICE, 2, "class").reset(classCode >>> 8));
        layout.add(Register.at(PCI_CACHE_LINE_SIZE, 1, "cache line size").writable());
        layout.add(
                Register.at(PCI_SUBSYSTEM_VENDOR_ID, 2, "subsystem vendor id").reset(subsystemVendorId));
        layout.add(Register.at(PCI_SUBSYSTEM_ID, 2, "subsystem id").reset(subsystemId));
        layout.add(Register.at(PCI_INTERRUPT_LINE, 1, "interrupt line").writable());
        layout.add(Register.at(PCI_INTERRUPT_PIN, 1, "interrupt pin").reset(intx ? INTA : 0));
        if (rom.length != 0) {
            layout.add(Register.at(PCI_ROM_ADDRESS, 4, "expansion ROM").writable(-rom.length | PCI_ROM_ADDRESS_ENABLE));
        }
        bars.forEach(virtual ? layout::claimBar : layout::addBar);
        registers.forEach(layout::add);
        layout.addCapabilities(capabilities);
        layout.addExtendedCapabilities(extendedCapabilities);
        return layout.build();
    }

    private Register command(DeviceModel device) {
        int decode = bars.stream()
                .mapToInt(bar -> bar.kind() == PciBar.Kind.IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)
                .reduce(rom.length == 0 ? 0 : PCI_COMMAND_MEMORY, (a, b) -> a | b);
        int writable = virtual
                ? PCI_COMMAND_MASTER
                : decode | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE;
        boolean[] master = {false};
        return Register.at(PCI_COMMAND, 2, "command").writable(writable).onWrite(value -> {
            interrupts.disableIntx((value & PCI_COMMAND_INTX_DISABLE) != 0);
            boolean enabled = (value & PCI_COMMAND_MASTER) != 0;
            if (master[0] != enabled) {
                master[0] = enabled;
                device.busMasterChanged(enabled);
            }
        });
    }

    private Register status() {
        int fixed = capabilities.isEmpty() ? 0 : PCI_STATUS_CAP_LIST;
        return Register.at(PCI_STATUS, 2, "status")
                .writeOneToClear(STATUS_ERRORS)
                .computed(() -> fixed | (interrupts.intxStatus() ? PCI_STATUS_INTERRUPT : 0));
    }

    private void functionLevelReset() {
        Runnable reset = flr;
        if (reset != null) {
            reset.run();
        }
    }
}
