package org.vfio4j.vfiolinux;

import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;

/**
 * A bus with a {@link LinuxPciFunction} that vfio-pci has. The device behind it is an open one of this process, of an emulated function: it
 * stands for what the kernel has of hardware.
 */
final class HostMachine implements AutoCloseable {

    static final PciAddress ADDRESS = PciAddress.parse("0000:03:00.0");

    final PciBus bus = new PciBus();
    final LinuxPciFunction function;
    final PciDevice device;
    private final VfioRegistry registry = new VfioRegistry();

    /** @param host closed with this */
    HostMachine(VfioDeviceFile host) {
        function = new LinuxPciFunction(ADDRESS.toString(), host, false);
        bus.provide(VfioRegistry.class, registry);
        bus.loadDrivers();
        device = bus.add(ADDRESS, function);
        bus.setDriverOverride(device, Optional.of("vfio-pci"));
        bus.bind(device, "vfio-pci");
    }

    /** An open device of an emulated function, with memory of its own. */
    static LocalDeviceFile host(PciFunction emulated, IoAddressSpace space) {
        VfioRegistry kernel = new VfioRegistry();
        kernel.register(new VfioPciCore("kernel", emulated), () -> () -> {}, ADDRESS.toString());
        LocalDeviceFile file = kernel.open("vfio0");
        file.attach(space);
        return file;
    }

    /** Opens the device that vfio-pci has made of the function. */
    LocalDeviceFile open() {
        return registry.open(registry.devices().getFirst().name());
    }

    @Override
    public void close() {
        bus.remove(device);
        function.close();
    }
}
