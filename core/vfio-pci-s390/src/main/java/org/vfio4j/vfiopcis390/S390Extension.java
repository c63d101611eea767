package org.vfio4j.vfiopcis390;

import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_ZPCI_ERROR;

import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciExtension;

/**
 * What an s390 machine says of its PCI functions (zPCI): capabilities in the device's info, which a virtual machine shows its guest,
 * and errors that the machine reports beside PCI. A function of which it says nothing is as on any other machine.
 */
public final class S390Extension implements VfioPciExtension {

    @Override
    public String name() {
        return "s390";
    }

    @Override
    public void attach(VfioPciCore core, PciDevice device) {
        ZpciData data = device.function()
                .platform(ZpciData.class)
                .orElseThrow(() -> new ErrnoException(ENODEV, device + ": no zPCI data"));
        ZpciCapabilities.of(data).forEach(core::addDeviceCapability);
        core.addFeature(VFIO_DEVICE_FEATURE_ZPCI_ERROR, new ZpciErrorFeature(device.toString(), data));
    }
}
