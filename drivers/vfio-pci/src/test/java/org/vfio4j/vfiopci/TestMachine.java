package org.vfio4j.vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.RegisterSet;
import org.vfio4j.devicemodel.VirtualFunctions;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciOptions;

/** A bus with VFIO, vfio-pci and some options, and functions to plug in. */
final class TestMachine {

    static final PciAddress PHYSICAL = PciAddress.parse("04:00.0");
    static final int VENDOR = 0x8086;
    static final int PF_DEVICE = 0x1572;
    static final int VF_DEVICE = 0x154c;

    final PciBus bus = new PciBus();
    final VfioRegistry registry = new VfioRegistry();

    TestMachine(String... options) {
        bus.provide(VfioRegistry.class, registry);
        bus.provide(VfioPciOptions.class, VfioPciOptions.parse(List.of(options)));
        bus.loadDrivers();
    }

    /** A function with power management, for vfio-pci. */
    PciDevice plain(String address) {
        return bind(bus.add(PciAddress.parse(address), function()));
    }

    /** A function that can have four virtual ones, for vfio-pci. */
    PciDevice physical() {
        return bind(bus.add(PHYSICAL, physicalFunction()));
    }

    PciDevice bind(PciDevice device) {
        bus.setDriverOverride(device, Optional.of("vfio-pci"));
        bus.bind(device, "vfio-pci");
        return device;
    }

    static PciDevice virtual(PciDevice physical, int index) {
        return physical.sriov().orElseThrow().virtualFunctions().get(index);
    }

    static EmulatedFunction function() {
        return new EmulatedFunctionBuilder(VENDOR, PF_DEVICE)
                .classCode(0x020000, 1)
                .powerManagement()
                .pciExpress()
                .build(new Nothing());
    }

    static EmulatedFunction physicalFunction() {
        return new EmulatedFunctionBuilder(VENDOR, PF_DEVICE)
                .classCode(0x020000, 1)
                .powerManagement()
                .pciExpress()
                .sriov(new VirtualFunctions(4, VF_DEVICE, 0x80, 1, List.of(bar()), index -> virtualFunction()))
                .build(new Nothing());
    }

    private static EmulatedFunction virtualFunction() {
        RegisterSet registers = RegisterSet.of(16, Register.at(0, 4, "scratch").writable());
        return new EmulatedFunctionBuilder(VENDOR, VF_DEVICE)
                .classCode(0x020000, 1)
                .virtualFunction()
                .bar(bar(), registers)
                .pciExpress()
                .build(new Nothing());
    }

    private static PciBar bar() {
        return new PciBar(0, 4096, PciBar.Kind.MEM64, true);
    }

    static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno))
                .hasMessageContaining(Errno.name(errno));
    }

    static final class Nothing implements DeviceModel {

        @Override
        public void attachDma(DmaSpace space) {}

        @Override
        public void detachDma() {}

        @Override
        public void reset() {}

        @Override
        public void busMasterChanged(boolean enabled) {}
    }
}
